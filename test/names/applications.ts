/** What asks for names in pods of tests, and what answers on nodes, as command lines. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const PYTHON = '/usr/bin/python3';
const script = (name: string): string => readFileSync(path.join(import.meta.dirname, name), 'utf8');

/** Servers at port 53 of addresses; see name-server.py. Ready when they listen. */
export const nameServer = (...addresses: readonly string[]): readonly string[] => [PYTHON, '-c', script('name-server.py'), ...addresses];

/** One socket that asks; see ask.py. */
export const asking = (family: 4 | 6 | 'stream', steps: readonly string[], bound = '-'): readonly string[] => [PYTHON, '-c', script('ask.py'), String(family), bound, ...steps];

/** A command that sees another file in the place of /etc/resolv.conf. */
export const withResolvConf = (file: string, argv: readonly string[]): readonly string[] => ['unshare', '--mount', 'sh', '-ec', 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)"; exec "$@"', file, ...argv];
