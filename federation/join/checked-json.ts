/** JSON from Secrets, files and messages, read no further than its schema says. Total functions. */
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';

/** `maxLength`: of the text. */
export function parseText<S extends TSchema>(schema: S, text: string, maxLength: number): Result<Static<S>> {
  if (text.length > maxLength) return err(`longer than ${maxLength} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err('not JSON');
  }
  return checked(schema, value);
}

/** Of a message. `fault`: said in the place of where it is wrong, which is of use to whoever made it. */
export function parseMessage<S extends TSchema>(schema: S, bytes: Uint8Array, maxBytes: number, fault?: string): Result<Static<S>> {
  if (bytes.length > maxBytes) return err(`longer than ${maxBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return err('not JSON in UTF-8');
  }
  const found = checked(schema, value);
  return found.ok || fault === undefined ? found : err(fault);
}

function checked<S extends TSchema>(schema: S, value: unknown): Result<Static<S>> {
  return Value.Check(schema, value) ? ok(value as Static<S>) : err(firstFault(schema, value));
}

/** Says where the value is wrong, never what it holds: the values are secrets. */
export function firstFault(schema: TSchema, value: unknown): string {
  const [fault] = Value.Errors(schema, value);
  return fault === undefined ? 'not valid' : `${fault.instancePath === '' ? 'the whole' : fault.instancePath} ${fault.message}`;
}
