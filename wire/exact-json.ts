import { err, ok, type Result } from '@landbridge/core/result.ts';

/** Node.js 24 has them; TypeScript does not know of them yet (proposal-json-parse-with-source). */
const { parse, rawJSON } = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
};

/** Deeper values are refused: whoever walks through them does so with its stack. */
export const MAX_JSON_DEPTH = 64;

/**
 * Reads what is to be written again with `JSON.stringify`: numbers stay as they were written, whatever their size. They
 * are objects then, so that nobody takes them for numbers.
 */
export function parseExactJson(text: string): Result<unknown> {
  if (depthOf(text) > MAX_JSON_DEPTH) return err(`more than ${MAX_JSON_DEPTH} levels deep`);
  try {
    return ok(parse(text, (_, value, { source }) => (typeof value === 'number' && source !== undefined ? rawJSON(source) : value)));
  } catch (thrown) {
    return err((thrown as Error).message);
  }
}

/** Of JSON; of anything else a number. */
function depthOf(text: string): number {
  let [depth, most, isString] = [0, 0, false];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isString) {
      if (character === '\\') at++;
      else if (character === '"') isString = false;
    } else if (character === '"') isString = true;
    else if (character === '{' || character === '[') most = Math.max(most, ++depth);
    else if (character === '}' || character === ']') depth--;
  }
  return most;
}
