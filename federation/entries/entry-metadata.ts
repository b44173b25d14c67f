import { fields } from '@landbridge/core/json-fields.ts';
import { objectNameValidator } from '../kubernetes/object-name.ts';

/** What an object says of itself. */
export interface EntryMetadata {
  /** `<namespace>/<name>` */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since 1970; 0 where it is not known. */
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Undefined for what has not the names that an API server has all objects have. */
export function entryMetadata(object: unknown): EntryMetadata | undefined {
  const metadata = fields(object)['metadata'];
  if (!objectNameValidator.Check(metadata)) return undefined;
  const { namespace, name } = metadata;
  const { creationTimestamp, labels, annotations } = fields(metadata);
  return { key: `${namespace}/${name}`, namespace, name, createdAt: creationTimestamp instanceof Date ? creationTimestamp.getTime() : 0, labels: texts(labels), annotations: texts(annotations) };
}

const texts = (value: unknown): Readonly<Record<string, string>> => Object.fromEntries(Object.entries(fields(value)).filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
