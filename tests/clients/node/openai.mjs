import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import {
  ASK_REPORT, ASK_WEATHER, BASE_URL, City, HELLO, KEY, MODEL, Report, countingFetch, failure, run,
  weather,
} from "./scenario.mjs";

const client = new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: KEY, fetch: countingFetch });
const messages = [{ role: "user", content: HELLO }];
const body = { model: MODEL, max_completion_tokens: 300, messages };
const parameters = z.toJSONSchema(City);

const described = (error) => ({
  isApiError: error instanceof OpenAI.APIError,
  status: error.status,
  code: error.code,
  type: error.type,
  scope: error.error?.budget?.scope,
  requestID: error.requestID,
});

await run({
  async chat() {
    const { data, response, request_id } = await client.chat.completions.create(body).withResponse();
    const [choice] = data.choices;
    return {
      text: choice.message.content,
      finish: choice.finish_reason,
      model: data.model,
      usage: data.usage,
      cost: response.headers.get("x-tollkeeper-cost-usd"),
      requestId: request_id,
    };
  },

  async stream() {
    const runner = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } });
    let text = "";
    runner.on("content", (delta) => { text += delta; });
    const final = await runner.finalChatCompletion();
    return {
      text,
      whole: final.choices[0].message.content,
      finish: final.choices[0].finish_reason,
      usage: final.usage,
    };
  },

  async tools() {
    const runner = client.chat.completions.runTools({
      ...body,
      messages: [{ role: "user", content: ASK_WEATHER }],
      stream: process.argv[3] === "stream",
      tools: [{
        type: "function",
        function: { name: "get_weather", description: "Now", parameters, parse: JSON.parse, function: weather },
      }],
    });
    const text = await runner.finalContent();
    return { text, roles: runner.messages.map((message) => message.role) };
  },

  async structured() {
    const parsed = await client.chat.completions.parse({
      ...body,
      messages: [{ role: "user", content: ASK_REPORT }],
      response_format: zodResponseFormat(Report, "report"),
    });
    return parsed.choices[0].message.parsed;
  },

  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    const one = await client.models.retrieve("sonnet");
    return { ids, one };
  },

  failure: () => failure(() => client.chat.completions.create(body), described),

  failingStream: () => failure(async () => {
    for await (const _ of await client.chat.completions.create({ ...body, stream: true }));
  }, described),

  async responses() {
    const response = await client.responses.create({ model: MODEL, input: HELLO });
    return { text: response.output_text, status: response.status, usage: response.usage };
  },

  async responsesStream() {
    const stream = client.responses.stream({ model: MODEL, input: HELLO });
    const types = new Set();
    let text = "";
    for await (const event of stream) {
      types.add(event.type);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    const final = await stream.finalResponse();
    return { text, whole: final.output_text, usage: final.usage, types: [...types] };
  },

  async responsesTools() {
    const tools = [{ type: "function", name: "get_weather", description: "Now", parameters, strict: true }];
    const input = [{ role: "user", content: ASK_WEATHER }];
    const first = await client.responses.create({ model: MODEL, input, tools });
    input.push(...first.output);
    const called = [];
    for (const item of first.output.filter((item) => item.type === "function_call")) {
      called.push(item.name);
      const output = weather(JSON.parse(item.arguments));
      input.push({ type: "function_call_output", call_id: item.call_id, output });
    }
    const second = await client.responses.create({ model: MODEL, input, tools });
    return { called, text: second.output_text };
  },

  async responsesStructured() {
    const response = await client.responses.parse({
      model: MODEL,
      input: ASK_REPORT,
      text: { format: zodTextFormat(Report, "report") },
    });
    return response.output_parsed;
  },

  failingResponses: () => failure(
    () => client.responses.create({ model: MODEL, input: HELLO }), described,
  ),
});
