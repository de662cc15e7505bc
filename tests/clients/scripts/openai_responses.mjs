import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import { PNG_URL, TIME, WEATHER, WRONG_KEY, attempt, calling, observe, script } from "./observing.mjs";

const client = new OpenAI({ maxRetries: 0 });
const City = z.object({ city: z.string(), degrees: z.number().int() });

const fn = (name, argument) => ({
  type: "function",
  name,
  description: `Tells the ${argument}.`,
  parameters: {
    type: "object",
    properties: { [argument]: { type: "string" } },
    required: [argument],
    additionalProperties: false,
  },
  strict: true,
});
const TOOLS = [fn("get_weather", "city"), fn("get_time", "zone")];

const ask = (input, options = {}) => client.responses.create({ model: "sonnet", input, ...options });

async function gather(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

async function whole() {
  const answer = await ask(script({ answer: "Hello there." }));
  return { text: answer.output_text, status: answer.status, counted: answer.usage.total_tokens > 0 };
}

async function streamed() {
  const events = await gather(await ask(script({ words: 5 }), { stream: true }));
  const pieces = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
  const [message] = events.at(-1).response.output;
  return {
    types: [...new Set(events.map((event) => event.type))],
    pieces,
    numbers: events.map((event) => event.sequence_number),
    text: message.content[0].text,
  };
}

async function gathered() {
  const stream = client.responses.stream({ model: "sonnet", input: script({ words: 5 }) });
  return (await stream.finalResponse()).output_text;
}

async function instructed() {
  return (await ask("Which rules?", { instructions: "Answer in rhyme." })).output_text;
}

async function continued() {
  const first = await ask(script({ answer: "Seven." }));
  return (await ask("And which number was it?", { previous_response_id: first.id })).output_text;
}

async function kept() {
  const first = await ask(script({ answer: "Seven." }));
  const before = (await client.responses.retrieve(first.id)).output_text;
  await client.responses.delete(first.id);
  return { before, after: await attempt(() => client.responses.retrieve(first.id)) };
}

const callItems = (answer) => answer.output.filter((item) => item.type === "function_call");
const callsOf = (answer) => callItems(answer).map((item) => [item.name, JSON.parse(item.arguments)]);
const results = (answer, told) =>
  callItems(answer).map(({ call_id, name }) => ({ type: "function_call_output", call_id, output: told[name] }));

async function tool() {
  const first = await ask(calling([WEATHER], { answer: "I shall look." }), { tools: TOOLS });
  const told = results(first, { get_weather: "4 degrees" });
  const second = await ask(told, { previous_response_id: first.id, tools: TOOLS });
  return { text: first.output_text, calls: callsOf(first), answer: second.output_text };
}

// With the whole history sent again, as who stores nothing does.
async function parallel_tools() {
  const question = { role: "user", content: calling([WEATHER, TIME]) };
  const stream = client.responses.stream({ model: "sonnet", input: [question], tools: TOOLS, store: false });
  let done = 0;
  stream.on("response.function_call_arguments.done", () => done++);
  const first = await stream.finalResponse();
  const told = results(first, { get_weather: "4 degrees", get_time: "noon" });
  const second = await ask([question, ...first.output, ...told.reverse()], { tools: TOOLS, store: false });
  return { done, calls: callsOf(first), answer: second.output_text };
}

async function forced_tool() {
  const tool_choice = { type: "function", name: "get_time" };
  return callsOf(await ask("Which is it?", { tools: TOOLS, tool_choice, parallel_tool_calls: false }));
}

async function parsed() {
  const text = { format: zodTextFormat(City, "City") };
  return (await client.responses.parse({ model: "sonnet", input: "Where is it how warm?", text })).output_parsed;
}

async function vision() {
  const content = [
    { type: "input_text", text: "What is it?" },
    { type: "input_image", image_url: PNG_URL, detail: "auto" },
  ];
  return (await ask([{ role: "user", content }])).output_text;
}

async function broken_stream() {
  const stream = await ask(script({ words: 6, error_after: 3, delta_delay: 0.05 }), { stream: true });
  return (await gather(stream)).map((event) => event.type);
}

await observe({
  whole,
  streamed,
  gathered,
  instructed,
  continued,
  kept,
  tool,
  parallel_tools,
  forced_tool,
  parsed,
  vision,
  wrong_key: async () => new OpenAI({ apiKey: WRONG_KEY }).responses.create({ model: "sonnet", input: "hi" }),
  bad_request: async () => ask([]),
  rate_limited: async () => ask(script({ status: 429, retry_after: 30 })),
  failed: async () => ask(script({ status: 500 })),
  broken_stream,
});
