/**
 * `node test/federation-faults/run.ts [FORM...] [--minutes N]`: the long forms of the failure matrix (docs/failures.md), all of
 * them where none is named. Says what each did; ends with 1 where something was not as it should be. Those about packets need root.
 */
import { parseArgs } from 'node:util';
import { runInForeground } from '@landbridge/lab/run.ts';
import type { Form } from './forms.ts';
import { allOrders } from './owner-forms.ts';
import { flapping, partitions, slowWay } from './packet-forms.ts';
import { killedServers } from './server-forms.ts';

const FORMS: Readonly<Record<string, Form>> = {
  servers: { what: 'one of three servers of the hub killed each 5 s (F1)', hasNetwork: false, minutes: 10, run: killedServers },
  partitions: { what: 'a way on which nothing passes, in both directions and in one (F4)', hasNetwork: true, minutes: 30, run: partitions },
  flapping: { what: 'a way that is good for 2 s and bad for 2 s (F5)', hasNetwork: true, minutes: 10, run: flapping },
  slow: { what: '300 ms ± 100, 5 % loss, 1 % of packets out of order and 1 % doubled (F6)', hasNetwork: true, minutes: 10, run: slowWay },
  orders: { what: 'everything started again in every order', hasNetwork: false, minutes: 0, run: allOrders },
};
/** Set for the process that runs in a network namespace of its own. */
const INSIDE = 'LANDBRIDGE_FAULTS_INSIDE';

const print = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);

async function runForm(name: string, { what, hasNetwork, minutes: usual, run }: Form, minutes: number | undefined): Promise<boolean> {
  if (hasNetwork && process.env[INSIDE] === undefined) return (await runInForeground(['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', process.execPath, import.meta.filename, name, ...(minutes === undefined ? [] : ['--minutes', String(minutes)])], { [INSIDE]: '1' })) === 0;
  print(`${name}: ${what}`);
  const faults = await run({ minutes: minutes ?? usual, print: (line) => print(`${name}: ${line}`) }).catch((thrown: unknown) => [thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)]);
  for (const fault of faults) print(`${name}: FAULT ${fault}`);
  return faults.length === 0;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { minutes: { type: 'string' } } });
  const names = positionals.length === 0 ? Object.keys(FORMS) : positionals;
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  if (names.some((name) => FORMS[name] === undefined) || Number.isNaN(minutes)) {
    process.stderr.write(`usage: node test/federation-faults/run.ts [${Object.keys(FORMS).join('|')}]... [--minutes N]\n`);
    return 64;
  }
  let isFine = true;
  for (const name of names) if (FORMS[name] !== undefined) isFine = (await runForm(name, FORMS[name], minutes)) && isFine;
  return isFine ? 0 : 1;
}

process.exitCode = await main();
