// Scores answers as the JavaScript assertions of promptfoo do: one JSON line in, one JSON line out.
//
//   node programs/promptfoo/score.cjs CHECKS.json
//
// CHECKS.json has the checks by name. Which one is evaluated says `params.check`, or the metadata of the example in the field
// that `params.from` names. The score is 1 if the check passes, else 0; with `params.score`, it is the score of the check.
// A check that fails scores 0, as in promptfoo. What this machine lacks, such as a module or the network, is an error and no
// score.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { pathToFileURL } = require('node:url');

// Checks may print; the answers of this program must stay apart.
console.log = console.error;
console.info = console.error;
globalThis.isDeepStrictEqual = require('node:util').isDeepStrictEqual;

const { types = {}, json = false, checks } = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

// What a check needs and this machine does not have.
class Missing extends Error {}

function isMissing(error) {
  const hasNoNetwork = error instanceof TypeError && error.message === 'fetch failed';
  const hasNoModule = ['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND'].includes(error?.code);
  return error instanceof Missing || error?.isMissing === true || hasNoNetwork || hasNoModule;
}

function varsOf(task) {
  const vars = typeof task.input === 'string' ? { input: task.input } : { ...task.input };
  if (task.context !== null && task.context !== undefined) vars.context = task.context;
  for (const [name, type] of Object.entries(types)) {
    if (typeof vars[name] === 'string' && vars[name] !== '') {
      vars[name] = type === 'flag' ? vars[name] === 'true' : Number(vars[name]);
    }
  }
  return vars;
}

function outputOf(task) {
  if (!json && !task.tool_calls) return task.output;
  try {
    return JSON.parse(task.output);
  } catch {
    return task.output;
  }
}

function environment(name) {
  const value = process.env[name];
  if (value === undefined) throw new Missing(`the variable ${name} is not set in the environment`);
  return value;
}

// The placeholders of variables that promptfoo fills in.
function filled(code, vars) {
  return code.replace(/\{\{-?\s*([\w.]+)\s*-?\}\}/g, (whole, name) => {
    if (name.startsWith('env.') && !('env' in vars)) return environment(name.slice('env.'.length));
    const value = name.split('.').reduce((at, key) => at?.[key], vars);
    return value === undefined || value === null ? '' : String(value);
  });
}

// One line is an expression; in one that begins with a declaration, the import has put `return` before the last statement.
function compiled(code) {
  const whole = code.includes('\n') || /^\s*(const|let|var)\s/.test(code);
  return new Function('output', 'context', whole ? code : `return ${code}`);
}

async function loaded({ file, function: name }) {
  const module = await import(pathToFileURL(path.resolve(file)).href);
  const found = name ? (module[name] ?? module.default?.[name]) : (module.default?.default ?? module.default);
  if (typeof found !== 'function') throw new Error(`${file} exports no function ${name ?? ''}`);
  return found;
}

async function evaluated(check, task) {
  const vars = varsOf(task);
  const test = { vars, metadata: task.metadata };
  const fill = (text) => filled(text, vars);
  const context = { fill, vars, test, prompt: undefined, config: check.config, logProbs: undefined, provider: undefined };
  let output = outputOf(task);
  context.providerResponse = { output, cost: task.cost, latencyMs: task.latency_ms, finishReason: task.finish_reason };
  for (const transform of check.transforms ?? []) {
    const change = transform.file ? await loaded(transform) : compiled(transform.code.join('\n'));
    output = await change(output, { vars, prompt: {}, metadata: {} });
    if (output === null || output === undefined) throw new Error('the transform returned nothing');
  }
  const run = check.file ? await loaded(check) : compiled(check.plain ? check.code.join('\n') : filled(check.code.join('\n'), vars).trimEnd());
  return run(output, context);
}

// Whether the check passes, and its score. `not` turns only the former round, as in promptfoo.
function graded(result, check) {
  const turned = (pass) => pass !== Boolean(check.not);
  if (typeof result === 'boolean') {
    const pass = turned(result);
    return { pass, score: Number(pass), reason: `the check gives ${result}` };
  }
  if (Number.isFinite(result)) {
    const reached = check.threshold === undefined ? result > 0 : result >= check.threshold;
    return { pass: turned(reached), score: result, reason: `the check gives ${result}` };
  }
  const { pass, score, reason } = result ?? {};
  if (typeof pass === 'boolean' && typeof score === 'number' && typeof reason === 'string') {
    return { pass: turned(pass), score, reason };
  }
  return { pass: false, score: 0, reason: 'the check gives no boolean, number, or object with pass, score and reason' };
}

async function answer(task) {
  const name = task.params.check ?? task.metadata?.[task.params.from];
  const check = checks[name];
  if (!check) return { error: `there is no check ${name}` };
  let grade;
  try {
    grade = graded(await evaluated(check, task), check);
  } catch (error) {
    if (isMissing(error)) return { error: `the check cannot run: ${String(error.message).split('\n')[0]}` };
    grade = { pass: false, score: 0, reason: `the check failed: ${error?.message ?? error}` };
  }
  const score = task.params.score ? Math.min(1, Math.max(0, Number(grade.score) || 0)) : Number(grade.pass);
  return score < 1 ? { score, reason: String(grade.reason ?? '') } : { score };
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
}

main();
