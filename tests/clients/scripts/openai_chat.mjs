import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { PNG_URL, TIME, WEATHER, WRONG_KEY, calling, observe, script } from "./observing.mjs";

const client = new OpenAI({ maxRetries: 0 });
const City = z.object({ city: z.string(), degrees: z.number().int() });

const fn = (name, argument) => ({
  type: "function",
  function: {
    name,
    description: `Tells the ${argument}.`,
    parameters: { type: "object", properties: { [argument]: { type: "string" } }, required: [argument] },
  },
});
const TOOLS = [fn("get_weather", "city"), fn("get_time", "zone")];

const user = (content) => ({ role: "user", content });
const ask = (content, options = {}) =>
  client.chat.completions.create({ model: "sonnet", messages: [user(content)], ...options });

async function whole() {
  const answer = await ask(script({ answer: "Hello there." }));
  const choice = answer.choices[0];
  return { text: choice.message.content, finish: choice.finish_reason, counted: answer.usage.total_tokens > 0 };
}

async function streamed() {
  const chunks = [];
  const options = { stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await ask(script({ words: 5 }), options)) chunks.push(chunk);
  const last = chunks.pop();
  const pieces = chunks.map((chunk) => chunk.choices[0].delta.content).filter(Boolean);
  return { pieces, finish: chunks.at(-1).choices[0].finish_reason, counted: last.usage.total_tokens > 0 };
}

const callsOf = (message) =>
  (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]);

async function answered(messages, message, results) {
  const tools = message.tool_calls.map((call) => ({
    role: "tool",
    tool_call_id: call.id,
    content: results[call.function.name],
  }));
  const following = [...messages, message, ...tools.reverse()];
  const answer = await client.chat.completions.create({ model: "sonnet", messages: following, tools: TOOLS });
  return answer.choices[0].message.content;
}

async function tool() {
  const messages = [user(calling([WEATHER], { answer: "I shall look." }))];
  const [choice] = (await client.chat.completions.create({ model: "sonnet", messages, tools: TOOLS })).choices;
  const answer = await answered(messages, choice.message, { get_weather: "4 degrees" });
  return { text: choice.message.content, calls: callsOf(choice.message), finish: choice.finish_reason, answer };
}

async function parallel_tools() {
  const messages = [user(calling([WEATHER, TIME]))];
  const stream = client.chat.completions.stream({ model: "sonnet", messages, tools: TOOLS });
  const done = [];
  stream.on("tool_calls.function.arguments.done", (event) => done.push(event.name));
  const [choice] = (await stream.finalChatCompletion()).choices;
  const answer = await answered(messages, choice.message, { get_weather: "4 degrees", get_time: "noon" });
  return { done, calls: callsOf(choice.message), finish: choice.finish_reason, answer };
}

async function forced_tool() {
  const tool_choice = { type: "function", function: { name: "get_time" } };
  const answer = await ask("Which is it?", { tools: TOOLS, tool_choice, parallel_tool_calls: false });
  return callsOf(answer.choices[0].message);
}

async function run_tools() {
  const told = [];
  const own = (tool, result) => ({
    ...tool,
    function: { ...tool.function, parse: JSON.parse, function: (given) => (told.push(given), result) },
  });
  const runner = client.chat.completions.runTools({
    model: "sonnet",
    messages: [user(calling([WEATHER, TIME]))],
    tools: [own(TOOLS[0], "4 degrees"), own(TOOLS[1], "noon")],
  });
  return { answer: await runner.finalContent(), told };
}

async function parsed() {
  const answer = await client.chat.completions.parse({
    model: "sonnet",
    messages: [user("Where is it how warm?")],
    response_format: zodResponseFormat(City, "City"),
  });
  return answer.choices[0].message.parsed;
}

async function parsed_tool() {
  const answer = await client.chat.completions.parse({
    model: "sonnet",
    messages: [user(calling([{ name: "City", input: { city: "Oslo", degrees: 4 } }]))],
    tools: [zodFunction({ name: "City", parameters: City })],
  });
  return answer.choices[0].message.tool_calls[0].function.parsed_arguments;
}

async function vision() {
  const image = { type: "image_url", image_url: { url: PNG_URL } };
  return (await ask([{ type: "text", text: "What is it?" }, image])).choices[0].message.content;
}

async function models() {
  return (await client.models.list()).data.map((model) => model.id);
}

async function broken_stream() {
  for await (const _ of await ask(script({ words: 6, error_after: 3, delta_delay: 0.05 }), { stream: true }));
}

await observe({
  whole,
  streamed,
  tool,
  parallel_tools,
  forced_tool,
  run_tools,
  parsed,
  parsed_tool,
  vision,
  models,
  wrong_key: async () => new OpenAI({ apiKey: WRONG_KEY }).models.list(),
  bad_request: async () => client.chat.completions.create({ model: "sonnet", messages: [] }),
  rate_limited: async () => ask(script({ status: 429, retry_after: 30 })),
  failed: async () => ask(script({ status: 500 })),
  broken_stream,
});
