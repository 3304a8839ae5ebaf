import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, generateObject, generateText, isStepCount, streamText, tool } from "ai";
import {
  ASK_REPORT, ASK_WEATHER, BASE_URL, City, HELLO, KEY, MODEL, Report, countingFetch, failure, run,
  weather,
} from "./scenario.mjs";

const settings = { baseURL: `${BASE_URL}/v1`, apiKey: KEY, fetch: countingFetch };
const models = {
  openai: () => createOpenAI(settings)(MODEL),
  "openai-chat": () => createOpenAI(settings).chat(MODEL),
  compatible: () => createOpenAICompatible({
    ...settings, name: "tollkeeper", includeUsage: true, supportsStructuredOutputs: true,
  })(MODEL),
  anthropic: () => createAnthropic(settings)(MODEL),
};
const model = models[process.argv[3]]();
const asking = (prompt) => ({ model, prompt, maxOutputTokens: 300 });
const tools = { get_weather: tool({ description: "Now", inputSchema: City, execute: weather }) };

const looping = { ...asking(ASK_WEATHER), tools, stopWhen: isStepCount(3) };

globalThis.AI_SDK_LOG_WARNINGS = false;

const counted = (usage) => ({
  input: usage.inputTokens,
  output: usage.outputTokens,
  cached: usage.inputTokenDetails.cacheReadTokens,
});

const described = (error) => ({
  isApiError: APICallError.isInstance(error),
  status: error.statusCode,
  message: error.message,
  isRetryable: error.isRetryable,
});

await run({
  async text() {
    const { text, finishReason, usage } = await generateText(asking(HELLO));
    return { text, finishReason, usage: counted(usage) };
  },

  async stream() {
    const result = streamText(asking(HELLO));
    let text = "";
    for await (const delta of result.textStream) text += delta;
    return { text, finishReason: await result.finishReason, usage: counted(await result.usage) };
  },

  async tools() {
    const result = streamText({ ...looping, providerOptions: { openai: { store: false } } });
    const text = await result.text;
    return { text, steps: (await result.steps).map((step) => step.finishReason) };
  },

  async object() {
    const { object } = await generateObject({ ...asking(ASK_REPORT), schema: Report });
    return object;
  },

  async output() {
    const schema = Output.object({ schema: Report });
    const { output } = await generateText({ ...asking(ASK_REPORT), output: schema });
    return output;
  },

  failure: () => failure(() => generateText(asking(HELLO)), described),

  storedTools: () => failure(() => generateText(looping), described),
});
