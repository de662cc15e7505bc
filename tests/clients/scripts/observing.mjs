// What the clients' scripts share; see observing.py.

export const PNG_URL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const WRONG_KEY = "sk-wrong-0123456789abcdefghij";
export const WEATHER = { name: "get_weather", input: { city: "Oslo" } };
export const TIME = { name: "get_time", input: { zone: "Europe/Oslo" } };

export async function observe(cases) {
  const seen = {};
  for (const [name, run] of Object.entries(cases)) seen[name] = await attempt(run);
  console.log(JSON.stringify(seen));
}

export async function attempt(run) {
  try {
    return await run();
  } catch (error) {
    return { raised: kinds(error), message: String(error) };
  }
}

function kinds(error) {
  const names = [];
  for (let kind = error.constructor; kind.name; kind = Object.getPrototypeOf(kind)) names.push(kind.name);
  return names;
}

export const script = (behaviour) => `go [[sandbox: ${JSON.stringify(behaviour)}]]`;

export const calling = (calls, behaviour = {}) => script({ tool_use: calls, ...behaviour });
