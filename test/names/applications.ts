/** What asks for names in pods of tests, and what answers on nodes, as command lines. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { patient } from '@landbridge/lab/wait.ts';

/** For an answer, of which the late ones come after 3 s. */
const QUERY_MS = 4000;
const PYTHON = '/usr/bin/python3';
const script = (name: string): string => readFileSync(path.join(import.meta.dirname, name), 'utf8');

/** Servers at port 53 of addresses; see name-server.py. Ready when they listen. */
export const nameServer = (...addresses: readonly string[]): readonly string[] => [PYTHON, '-c', script('name-server.py'), ...addresses];

/** One socket that asks; see ask.py. */
export const asking = (family: 4 | 6 | 'stream', steps: readonly string[], bound = '-'): readonly string[] => [PYTHON, '-c', script('ask.py'), String(family), bound, ...steps];

/** A command that sees another file in the place of /etc/resolv.conf. */
export const withResolvConf = (file: string, argv: readonly string[]): readonly string[] => ['unshare', '--mount', 'sh', '-ec', 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)"; exec "$@"', file, ...argv];

/** What became of queries. */
export interface QueryTally {
  readonly answered: number;
  /** By what happened instead of an answer. */
  readonly failed: Readonly<Record<string, number>>;
}

/**
 * Asks servers without end, one query after the other in each lane: by a new connected socket for each, by one socket for
 * all that is not connected, by TCP, and for a name whose answer is late. Ready when all had an answer; writes {@link QueryTally} at SIGTERM, with which
 * it ends.
 */
export const askingWithoutEnd = (...servers: readonly string[]): readonly string[] => [process.execPath, '-e', `
  const dgram = require('dgram'), net = require('net');
  const servers = ${JSON.stringify(servers)};
  let answered = 0, isOver = false, open = 0, ready = 0; const failed = {};
  const fail = (code) => failed[code] = (failed[code] ?? 0) + 1;
  let next = 0;
  const query = (name = 'n' + next++) => { const q = Buffer.alloc(12 + name.length + 2 + 4); q.writeUInt16BE(next & 0xffff, 0); q[2] = 1; q[5] = 1; q[12] = name.length; q.write(name, 13); q[q.length - 3] = 16; q[q.length - 1] = 1; return q; };
  const once = (begin) => new Promise((resolve) => { const timer = setTimeout(() => resolve('timeout'), ${patient(QUERY_MS)}); begin((code) => { clearTimeout(timer); resolve(code); }); });
  const connected = async (name) => { const s = dgram.createSocket('udp4'); const code = await once((end) => { s.on('error', (e) => end(e.code)); s.on('message', (m) => end('')); s.connect(53, servers[0], () => s.send(query(name))); }); s.close(); return code; };
  const shared = dgram.createSocket('udp4'); let heard = () => {}; let asked, from = 0;
  shared.on('error', () => {}); shared.on('message', (m, source) => heard(m.subarray(0, 2).equals(asked.subarray(0, 2)) && source.address === servers[from] && source.port === 53 ? '' : 'wrong server'));
  const unconnected = () => once((end) => { heard = end; asked = query(); from = (from + 1) % servers.length; shared.send(asked, 53, servers[from], (e) => e && end(e.code)); });
  const stream = async () => { const s = net.connect(53, servers[0]); const code = await once((end) => { s.on('error', (e) => end(e.code)); s.on('close', () => end('closed')); s.on('data', () => end('')); const q = query(); s.write(Buffer.concat([Buffer.from([0, q.length]), q])); }); s.destroy(); return code; };
  const lane = async (ask) => { for (let n = 0; !isOver; n++) { const code = await ask(); if (code === '') answered++; else { fail(code); await new Promise((resolve) => setTimeout(resolve, 20)); } if (n === 0 && ++ready === 4) console.log('ready'); } if (++open === 4) { console.log(JSON.stringify({ answered, failed })); process.exit(); } };
  process.on('SIGTERM', () => isOver = true);
  for (const ask of [() => connected(), () => connected('late'), unconnected, stream]) lane(ask);`];
