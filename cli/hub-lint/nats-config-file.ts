/**
 * Reads a configuration of nats-server as far as its structure goes (nats-server, conf/lex.go): blocks, arrays, strings, bare words,
 * comments. A total function; variables and included files are told, not followed.
 */
import { isIPv4 } from 'node:net';
import { err, ok, type Result } from '@landbridge/core/result.ts';

export type ConfigValue = string | readonly ConfigValue[] | ConfigBlock;

/** Names in lower case: the server does not tell them apart. Of a name that stands twice the later one counts. */
export interface ConfigBlock {
  readonly [name: string]: ConfigValue;
}

export interface ConfigFile {
  readonly root: ConfigBlock;
  /** Files that are read in its place, as written. */
  readonly includes: readonly string[];
}

export const MAX_CONFIG_BYTES = 1024 * 1024;
const MAX_DEPTH = 16;
const MAX_NAMES = 20_000;

type Token = { readonly kind: 'word' | 'string'; readonly text: string } | { readonly kind: '{' | '}' | '[' | ']' | 'separator' | 'assign' };

const NAME = /[^\s{}[\],;"'#:=]+/y;
const URL_TEXT = /[^\s,;"'#{}]+/y;
const ADDRESS = /[0-9.]+(:[0-9]+)?/y;

class Fault extends Error {}

export function parseNatsConfig(text: string): Result<ConfigFile> {
  if (text.length > MAX_CONFIG_BYTES) return err(`longer than ${MAX_CONFIG_BYTES} bytes`);
  try {
    return ok(new Parser([...tokens(text)]).file());
  } catch (thrown) {
    if (thrown instanceof Fault) return err(thrown.message);
    throw thrown;
  }
}

function* tokens(text: string): Generator<Token> {
  for (let at = 0; at < text.length; ) {
    const character = text.charAt(at);
    if (character === '#' || text.startsWith('//', at)) {
      const end = text.indexOf('\n', at);
      at = end === -1 ? text.length : end;
    } else if (character === '\n' || character === ',' || character === ';') {
      yield { kind: 'separator' };
      at += 1;
    } else if (/\s/.test(character)) {
      at += 1;
    } else if (character === '{' || character === '}' || character === '[' || character === ']') {
      yield { kind: character };
      at += 1;
    } else if (character === ':' || character === '=') {
      yield { kind: 'assign' };
      at += 1;
    } else if (character === '"' || character === "'") {
      const end = endOfString(text, at);
      yield { kind: 'string', text: character === '"' ? unescaped(text.slice(at + 1, end)) : text.slice(at + 1, end) };
      at = end + 1;
    } else {
      const word = wordAt(text, at);
      if (word === '') throw new Fault(`there is ${JSON.stringify(character)} at byte ${at}`);
      yield { kind: 'word', text: word };
      at += word.length;
    }
  }
}

/** `tls://host:4222` and `127.0.0.1:8222` are one word, `name:` is one without its colon. Looks at no character of others twice. */
function wordAt(text: string, at: number): string {
  const name = matchAt(NAME, text, at);
  if (text.startsWith('://', at + name.length)) return matchAt(URL_TEXT, text, at);
  return isIPv4(name) ? matchAt(ADDRESS, text, at) : name;
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

function endOfString(text: string, begin: number): number {
  const quote = text.charAt(begin);
  for (let at = begin + 1; at < text.length; at++) {
    if (text.charAt(at) === '\\' && quote === '"') at += 1;
    else if (text.charAt(at) === quote) return at;
  }
  throw new Fault('a string does not end');
}

const unescaped = (text: string): string => text.replaceAll(/\\(.)/gs, (_, character: string) => ({ n: '\n', t: '\t', r: '\r' })[character] ?? character);

class Parser {
  readonly #tokens: readonly Token[];
  readonly #includes: string[] = [];
  #at = 0;
  #names = 0;

  constructor(all: readonly Token[]) {
    this.#tokens = all;
  }

  file(): ConfigFile {
    return { root: this.#block(0, undefined), includes: this.#includes };
  }

  /** Until the token that closes it, or the end of the file. */
  #block(depth: number, close: '}' | undefined): ConfigBlock {
    if (depth > MAX_DEPTH) throw new Fault(`nested deeper than ${MAX_DEPTH}`);
    const members = new Map<string, ConfigValue>();
    for (;;) {
      const token = this.#next();
      if (token?.kind === 'separator') continue;
      if (token === undefined && close === undefined) return Object.fromEntries(members);
      if (token !== undefined && token.kind === close) return Object.fromEntries(members);
      if (token === undefined || (token.kind !== 'word' && token.kind !== 'string')) throw new Fault(token === undefined ? 'a block does not end' : `there is ${token.kind} where a name should be`);
      if ((this.#names += 1) > MAX_NAMES) throw new Fault(`more than ${MAX_NAMES} names`);
      // `http: :8222` has two.
      while (this.#peek()?.kind === 'assign') this.#at += 1;
      // A name with nothing behind it is nothing that counts here.
      if (this.#peek() === undefined || this.#peek()?.kind === 'separator') continue;
      const value = this.#value(depth + 1);
      if (token.text.toLowerCase() === 'include' && typeof value === 'string') this.#includes.push(value);
      else members.set(token.text.toLowerCase(), value);
    }
  }

  #value(depth: number): ConfigValue {
    if (depth > MAX_DEPTH) throw new Fault(`nested deeper than ${MAX_DEPTH}`);
    const token = this.#next();
    switch (token?.kind) {
      case 'word':
        return this.#rest(token.text);
      case 'string':
        return token.text;
      case '{':
        return this.#block(depth, '}');
      case '[':
        return this.#array(depth);
      default:
        throw new Fault(token === undefined ? 'the file ends where a value should be' : `there is ${token.kind} where a value should be`);
    }
  }

  /** An address was taken for a name and its port for a value: they belong together. */
  #rest(word: string): string {
    let text = word;
    while (this.#peek()?.kind === 'assign') {
      const [, value] = this.#tokens.slice(this.#at, this.#at + 2);
      this.#at += 1;
      if (value?.kind !== 'word') break;
      text += `:${value.text}`;
      this.#at += 1;
    }
    return text;
  }

  #array(depth: number): readonly ConfigValue[] {
    const values: ConfigValue[] = [];
    for (;;) {
      const token = this.#peek();
      if (token === undefined) throw new Fault('a list does not end');
      if (token.kind === ']') {
        this.#at += 1;
        return values;
      }
      if (token.kind === 'separator') this.#at += 1;
      else values.push(this.#value(depth + 1));
      if (values.length > MAX_NAMES) throw new Fault(`more than ${MAX_NAMES} values`);
    }
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #next(): Token | undefined {
    return this.#tokens[this.#at++];
  }
}
