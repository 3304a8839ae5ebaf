import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import {
  ASK_REPORT, ASK_WEATHER, BASE_URL, City, HELLO, KEY, MODEL, Report, countingFetch, failure, run,
  sent, weather,
} from "./scenario.mjs";

const client = new Anthropic({ baseURL: BASE_URL, apiKey: KEY, fetch: countingFetch });
const body = { model: MODEL, max_tokens: 300, messages: [{ role: "user", content: HELLO }] };

const weatherBody = {
  ...body,
  messages: [{ role: "user", content: ASK_WEATHER }],
  tools: [betaZodTool({ name: "get_weather", description: "Now", inputSchema: City, run: weather })],
};

await run({
  async message() {
    const { data, response, request_id } = await client.messages.create(body).withResponse();
    return {
      text: data.content[0].text,
      stop: data.stop_reason,
      model: data.model,
      usage: data.usage,
      cost: response.headers.get("x-tollkeeper-cost-usd"),
      requestId: request_id,
    };
  },

  async stream() {
    let text = "";
    const stream = client.messages.stream(body).on("text", (delta) => { text += delta; });
    const final = await stream.finalMessage();
    return { text, whole: final.content[0].text, stop: final.stop_reason, usage: final.usage };
  },

  async tools() {
    const stream = process.argv[3] === "stream";
    const runner = client.beta.messages.toolRunner({ ...weatherBody, thread: false, stream });
    const final = await runner.runUntilDone();
    return { text: final.content[0].text, roles: runner.params.messages.map(({ role }) => role) };
  },

  // By default the runner leaves the history to the server, where the server can hold it.
  async threadedTools() {
    const final = await client.beta.messages.toolRunner(weatherBody).runUntilDone();
    return { text: final.content[0].text, requests: sent() };
  },

  async structured() {
    const message = await client.messages.parse({
      ...body,
      messages: [{ role: "user", content: ASK_REPORT }],
      output_config: { format: zodOutputFormat(Report) },
    });
    return message.parsed_output;
  },

  async countTokens() {
    const { max_tokens: _, ...counted } = body;
    return client.messages.countTokens(counted);
  },

  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids, one: await client.models.retrieve("claude-sonnet-4-6") };
  },

  failure: () => failure(() => client.messages.create(body), (error) => ({
    isApiError: error instanceof Anthropic.APIError,
    status: error.status,
    type: error.type,
    scope: error.error?.error?.budget?.scope,
    requestID: error.requestID,
  })),
});
