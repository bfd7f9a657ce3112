// Answers as the custom providers of promptfoo do: one JSON line in, one JSON line out.
//
//   node programs/promptfoo/answer.cjs echo
//     The prompt itself.
//   node programs/promptfoo/answer.cjs exec PROGRAM ARGUMENT…
//     What the program prints; it gets the prompt, the options and the context as its last arguments.
//   node programs/promptfoo/answer.cjs script FILE
//     What the provider that the script exports answers.
//
// Settings may refer to the environment, as in promptfoo: {{ env.NAME }}.
'use strict';

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { pathToFileURL } = require('node:url');

console.log = console.error;
console.info = console.error;

const [kind, ...rest] = process.argv.slice(2);

// One user message is a text, anything else the JSON of all messages.
function promptOf({ messages }) {
  const [first] = messages;
  const plain = messages.length === 1 && first.role === 'user' && typeof first.content === 'string';
  return plain ? first.content : JSON.stringify(messages, null, 2);
}

// Settings with the variables of the environment in place of the references to them.
function resolved(value) {
  if (Array.isArray(value)) return value.map(resolved);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolved(inner)]));
  }
  if (typeof value !== 'string') return value;
  const reference = /\{\{-?\s*env(?:\.(\w+)|\[\s*["'](\w+)["']\s*\])(?:\s*\|[^}]*)?\s*-?\}\}/g;
  return value.replace(reference, (whole, plain, quoted) => {
    const name = plain ?? quoted;
    if (process.env[name] === undefined) throw new Error(`the variable ${name} is not set in the environment`);
    return process.env[name];
  });
}

// The variables of a test are the fields of the input, unless it is the text of the only one.
function contextOf(task, prompt) {
  return { vars: task.fields ?? { input: task.input }, prompt: { raw: prompt, label: prompt } };
}

// The import copies programs without their permissions.
function makeExecutable(program) {
  try {
    if (program.startsWith('programs/')) fs.chmodSync(program, 0o755);
  } catch {
    // If it cannot be started, its answer is an error that says so.
  }
}

function printed(prompt, options, context) {
  const [program, ...given] = rest;
  return new Promise((resolve) => {
    const sent = [...given, prompt, JSON.stringify(options), JSON.stringify(context)];
    const child = execFile(program, sent, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve(error ? { error: (stderr || error.message).slice(0, 500) } : { output: stdout.trim() });
    });
    // A program that reads its input must not wait for it, and one that could not be started has none.
    child.stdin?.on('error', () => {}).end();
  });
}

let provider;
async function answered(prompt, options, context) {
  if (!provider) {
    const module = await import(pathToFileURL(path.resolve(rest[0])).href);
    const Provider = module.default?.default ?? module.default ?? module;
    const isClass = typeof Provider === 'function' && typeof Provider.prototype?.callApi === 'function';
    provider = isClass ? new Provider(options) : Provider;
  }
  const call = typeof provider.callApi === 'function' ? (...all) => provider.callApi(...all) : provider;
  return call(prompt, context, {});
}

function reply(answer) {
  if (answer?.error) return { error: String(answer.error).slice(0, 500) };
  const output = answer !== null && typeof answer === 'object' && 'output' in answer ? answer.output : answer;
  if (output === undefined || output === null) return { error: 'the provider gave no output' };
  const usage = answer?.tokenUsage;
  return {
    output: typeof output === 'string' ? output : JSON.stringify(output),
    ...(usage ? { usage: { prompt_tokens: usage.prompt, completion_tokens: usage.completion } } : {}),
  };
}

async function answer(task) {
  const prompt = promptOf(task);
  if (kind === 'echo') return { output: prompt };
  try {
    const options = { config: resolved(task.params ?? {}) };
    const context = contextOf(task, prompt);
    return reply(kind === 'exec' ? await printed(prompt, options, context) : await answered(prompt, options, context));
  } catch (error) {
    return { error: String(error?.message ?? error).slice(0, 500) };
  }
}

async function main() {
  if (kind === 'exec') makeExecutable(rest[0]);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
}

main();
