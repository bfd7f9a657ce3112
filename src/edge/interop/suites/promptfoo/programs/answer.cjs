// Answers as the custom providers of promptfoo do: one JSON line in, one JSON line out.
//
//   node programs/promptfoo/answer.cjs echo
//     The prompt itself.
//   node programs/promptfoo/answer.cjs exec PROGRAM ARGUMENT…
//     What the program prints; it gets the prompt, the options and the context as its last arguments.
//   node programs/promptfoo/answer.cjs script FILE
//     What the provider that the script exports answers.
'use strict';

const { execFile } = require('node:child_process');
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

function contextOf(task, prompt) {
  const vars = task.input !== null && typeof task.input === 'object' ? task.input : { input: task.input };
  return { vars, prompt: { raw: prompt, label: prompt } };
}

function printed(prompt, options, context) {
  const [program, ...given] = rest;
  return new Promise((resolve) => {
    const sent = [...given, prompt, JSON.stringify(options), JSON.stringify(context)];
    execFile(program, sent, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve(error ? { error: (stderr || error.message).slice(0, 500) } : { output: stdout.trim() });
    });
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
  const options = { config: task.params ?? {} };
  const context = contextOf(task, prompt);
  if (kind === 'echo') return { output: prompt };
  try {
    return reply(kind === 'exec' ? await printed(prompt, options, context) : await answered(prompt, options, context));
  } catch (error) {
    return { error: String(error?.message ?? error).slice(0, 500) };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
}

main();
