// What every script shares: the question, the tool, and how a scenario is chosen and told.
import { z } from "zod";

export const { BASE_URL, KEY, MODEL = "haiku" } = process.env;
export const HELLO = "What is the capital of France?";
export const ASK_WEATHER = 'Use the tool get_weather for "Paris".';
export const ASK_REPORT = 'The city is "Paris" and it has 18 degrees there.';

export const City = z.object({ city: z.string() });
export const Report = z.object({ city: z.string(), degrees: z.number().int() });
export const weather = ({ city }) => `18 degrees in ${city}`;

let requests = 0;

// Counts what goes over the wire, retries included.
export const countingFetch = (url, init) => {
  requests += 1;
  return fetch(url, init);
};

export const sent = () => requests;

// The error that `call` ends with, as the client shows it to its user.
export async function failure(call, describe) {
  try {
    await call();
  } catch (error) {
    return { ...describe(error), class: error.constructor.name, requests };
  }
  throw new Error("the call did not fail");
}

export async function run(scenarios) {
  console.log(JSON.stringify(await scenarios[process.argv[2]]()));
}
