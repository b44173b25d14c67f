import { err, ok, type Result } from '@landbridge/core/result.ts';
import { MAX_BATCH_BYTES } from './handed-batch.ts';
import { BATCH_FORMAT, BATCH_HEADER_BYTES, BATCH_MAGIC, FIELD_HEADER_BYTES } from './state-writer.ts';

/** Records of one batch: one pair each, or one tunnel. */
export const MAX_RECORDS = 4096;
/** Fields of one record, those inside of others not counted. A tunnel has one for each of its streams. */
export const MAX_FIELDS = 4096;

export interface RawField {
  readonly tag: number;
  /** A view: good as long as the batch is not overwritten. */
  readonly content: Buffer;
}

/** Finds fields that fill a part of `bytes`: says of each its tag, where its content begins and where that ends. Returns why they do not fill it. */
export function cutFields(bytes: Buffer, from: number, to: number, most: number, found: (tag: number, begin: number, end: number) => void): string | undefined {
  let left = most;
  for (let at = from; at < to; left--) {
    const begin = at + FIELD_HEADER_BYTES;
    if (begin > to) return 'a field is cut off';
    const end = begin + bytes.readUInt32BE(at + 1);
    if (end > to) return 'a field is longer than what it is in';
    if (left === 0) return `more than ${most} fields`;
    found(bytes[at] as number, begin, end);
    at = end;
  }
  return undefined;
}

/** Cuts bytes into fields that fill them. */
export function parseFields(bytes: Buffer, most = MAX_FIELDS): Result<readonly RawField[]> {
  const fields: RawField[] = [];
  const fault = cutFields(bytes, 0, bytes.length, most, (tag, begin, end) => fields.push({ tag, content: bytes.subarray(begin, end) }));
  return fault === undefined ? ok(fields) : err(fault);
}

/** The records of a batch, whose `tag` is their kind. */
export function parseBatch(bytes: Buffer): Result<readonly RawField[]> {
  if (bytes.length > MAX_BATCH_BYTES) return err(`a batch of ${bytes.length} bytes`);
  if (bytes.length < BATCH_HEADER_BYTES || bytes.readUInt32BE(0) !== BATCH_MAGIC) return err('no batch of connections');
  const format = bytes.readUInt16BE(4);
  if (format !== BATCH_FORMAT) return err(`format ${format}, where ${BATCH_FORMAT} is known`);
  const records = parseFields(bytes.subarray(BATCH_HEADER_BYTES), MAX_RECORDS);
  if (!records.ok) return records;
  const expected = bytes.readUInt32BE(6);
  return records.value.length === expected ? records : err(`${records.value.length} records, where ${expected} were said`);
}
