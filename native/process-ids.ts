import { readdirSync } from 'node:fs';

/** Names of the processes that a proc file system shows. They may end at any moment. */
export function processIds(proc = '/proc'): string[] {
  return readdirSync(proc).filter((name) => /^[0-9]+$/.test(name));
}
