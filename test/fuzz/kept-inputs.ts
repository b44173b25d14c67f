/** Inputs that have shown a fault once: one JSON list of hexadecimal texts for each parser. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';

export const SEEDS_FOLDER = path.join(import.meta.dirname, 'seeds');
const HEX = /^([0-9a-f]{2})*$/;

const fileOf = (folder: string, name: string): string => path.join(folder, `${name}.json`);

export function readKeptInputs(name: string, folder = SEEDS_FOLDER): readonly Uint8Array[] {
  const file = fileOf(folder, name);
  if (!existsSync(file)) return [];
  const list: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!Array.isArray(list) || !list.every((text) => typeof text === 'string' && HEX.test(text))) throw new LandbridgeError('bad-seeds', `${file} is not a list of hexadecimal texts`);
  return list.map((text: string) => Uint8Array.from(Buffer.from(text, 'hex')));
}

/** Adds an input, once. Returns the file. */
export function keepInput(name: string, input: Uint8Array, folder = SEEDS_FOLDER): string {
  const kept = new Set(readKeptInputs(name, folder).map((each) => Buffer.from(each).toString('hex')));
  kept.add(Buffer.from(input).toString('hex'));
  writeFileSync(fileOf(folder, name), `${JSON.stringify([...kept], null, 2)}\n`);
  return fileOf(folder, name);
}
