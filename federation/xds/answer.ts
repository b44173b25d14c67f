import type { Delta } from './snapshot.ts';

/** Field numbers of envoy.service.discovery.v3 and google.protobuf.Any; all are length-delimited. */
const RESPONSE = { resources: 2, typeUrl: 4, nonce: 5, removedResources: 6 } as const;
const RESOURCE = { version: 1, resource: 2, name: 3, aliases: 4 } as const;
const ANY = { typeUrl: 1, value: 2 } as const;
const LENGTH_DELIMITED = 2;

/** How many bytes an answer has about, before it is made. */
export function answerSize({ updated, removed }: Delta, typeUrl: string): number {
  let size = typeUrl.length;
  for (const [name, { bytes }] of updated) size += name.length + bytes.length + typeUrl.length + 32;
  for (const name of removed) size += name.length + 4;
  return size;
}

/**
 * A DeltaDiscoveryResponse, written by hand: an agent that comes is told tens of thousands of resources in one message,
 * whose bytes are there already. Yields between resources.
 */
export function* encodeAnswer(typeUrl: string, nonce: string, { updated, removed, aliases = noAliases }: Delta): Generator<void, Buffer> {
  const sizes: number[] = [];
  let total = fieldSize(Buffer.byteLength(typeUrl)) + fieldSize(Buffer.byteLength(nonce));
  for (const [name, { version, bytes }] of updated) {
    const size = fieldSize(Buffer.byteLength(version)) + fieldSize(anySize(typeUrl, bytes)) + fieldSize(Buffer.byteLength(name)) + aliases(name).reduce((sum, alias) => sum + fieldSize(Buffer.byteLength(alias)), 0);
    sizes.push(size);
    total += fieldSize(size);
    yield;
  }
  for (const name of removed) total += fieldSize(Buffer.byteLength(name));
  const writer = new Writer(total);
  for (const [i, [name, { version, bytes }]] of updated.entries()) {
    writer.head(RESPONSE.resources, sizes[i] ?? 0);
    writer.text(RESOURCE.version, version);
    writer.head(RESOURCE.resource, anySize(typeUrl, bytes));
    writer.text(ANY.typeUrl, typeUrl);
    writer.bytes(ANY.value, bytes);
    writer.text(RESOURCE.name, name);
    for (const alias of aliases(name)) writer.text(RESOURCE.aliases, alias);
    yield;
  }
  writer.text(RESPONSE.typeUrl, typeUrl);
  writer.text(RESPONSE.nonce, nonce);
  for (const name of removed) writer.text(RESPONSE.removedResources, name);
  return writer.buffer;
}

const noAliases = (): readonly string[] => [];

const anySize = (typeUrl: string, bytes: Uint8Array): number => fieldSize(Buffer.byteLength(typeUrl)) + fieldSize(bytes.length);

/** Of a field with a number below 16. */
const fieldSize = (length: number): number => 1 + varintSize(length) + length;

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

class Writer {
  readonly buffer: Buffer;
  #at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  head(field: number, length: number): void {
    this.buffer[this.#at++] = (field << 3) | LENGTH_DELIMITED;
    let rest = length;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.buffer[this.#at++] = (rest % 0x80) | 0x80;
    this.buffer[this.#at++] = rest;
  }

  text(field: number, text: string): void {
    this.head(field, Buffer.byteLength(text));
    this.#at += this.buffer.write(text, this.#at);
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.head(field, bytes.length);
    this.buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
