import { POD_UID } from '@landbridge/core/names.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { parseExactJson } from '@landbridge/wire/exact-json.ts';
import { fields, isObject, items } from '@landbridge/core/json-fields.ts';
import { podAddresses } from './pod-addresses.ts';
import type { Sandbox } from './sandbox.ts';

/** The plugin sends at most 64 KiB of variables and 1 MiB of configuration. */
export const MAX_REQUEST_BYTES = (1 << 20) + (1 << 16);
const MAX_PATH = 4095;
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const VERSION = /^[0-9]{1,4}(\.[0-9]{1,4}){0,2}$/;
/** Of the specification, where a configuration does not say. */
const DEFAULT_VERSION = '0.2.0';

/** Codes of errors that the specification reserves; those from 100 on are ours. */
export const CNI_ERRORS = { invalidEnvironment: 4, undecodable: 6, invalidConfiguration: 7, tryAgain: 11 } as const;

export interface CniError {
  readonly version: string;
  readonly code: number;
  readonly message: string;
}

/** What a container runtime asks, by way of the plugin. */
export type CniRequest =
  /** `result`: what is to be printed where the pod may start, since a plugin that adds nothing passes on what came before. */
  | { readonly kind: 'add' | 'check'; readonly version: string; readonly sandbox: Sandbox; readonly result: string }
  /** The namespace may be gone already. */
  | { readonly kind: 'del'; readonly uid: string; readonly namespacePath: string }
  | { readonly kind: 'status' | 'gc' };

/** Reads what the plugin sends: lines NAME=value, an empty line, the configuration. Takes whatever bytes there are. */
export function parseCniRequest(bytes: Uint8Array): Result<CniRequest, CniError> {
  const refuse = (code: number, message: string, version = DEFAULT_VERSION): Result<never, CniError> => err({ version, code, message });
  if (bytes.length > MAX_REQUEST_BYTES) return refuse(CNI_ERRORS.invalidConfiguration, `a request of more than ${MAX_REQUEST_BYTES} bytes`);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const end = text.indexOf('\n\n');
  if (end < 0) return refuse(CNI_ERRORS.invalidEnvironment, 'the variables have no end');
  const variables = pairs(text.slice(0, end), '\n');
  const parsed = parseExactJson(text.slice(end + 2));
  if (!parsed.ok) return refuse(CNI_ERRORS.undecodable, 'the configuration is not JSON');
  const configuration = fields(parsed.value);
  const version = typeof configuration['cniVersion'] === 'string' && VERSION.test(configuration['cniVersion']) ? configuration['cniVersion'] : DEFAULT_VERSION;
  const command = variables.get('CNI_COMMAND');
  if (command === 'STATUS' || command === 'GC') return ok({ kind: command === 'GC' ? 'gc' : 'status' });
  if (command !== 'ADD' && command !== 'CHECK' && command !== 'DEL') return refuse(CNI_ERRORS.invalidEnvironment, 'CNI_COMMAND is none of ADD, CHECK, DEL, GC, STATUS', version);

  const names = pairs(variables.get('CNI_ARGS') ?? '', ';');
  const uid = names.get('K8S_POD_UID') ?? '';
  const namespacePath = variables.get('CNI_NETNS') ?? '';
  if (!POD_UID.test(uid)) return refuse(CNI_ERRORS.invalidEnvironment, 'CNI_ARGS has no K8S_POD_UID: only sandboxes of pods are captured', version);
  if (command === 'DEL') return ok({ kind: 'del', uid, namespacePath: isPath(namespacePath) ? namespacePath : '' });
  const [namespace, name] = [names.get('K8S_POD_NAMESPACE') ?? '', names.get('K8S_POD_NAME') ?? ''];
  if (!NAME.test(namespace) || !NAME.test(name)) return refuse(CNI_ERRORS.invalidEnvironment, 'CNI_ARGS has no K8S_POD_NAMESPACE and K8S_POD_NAME', version);
  if (!isPath(namespacePath)) return refuse(CNI_ERRORS.invalidEnvironment, 'CNI_NETNS is not a path', version);
  const result = configuration['prevResult'];
  if (!isObject(result)) return refuse(CNI_ERRORS.invalidConfiguration, 'there is no prevResult: the plugin must follow one that makes interfaces', version);
  return ok({ kind: command === 'ADD' ? 'add' : 'check', version, sandbox: { uid, namespace, name, addresses: podAddresses(texts(fields(result)['ips'])), namespacePath }, result: JSON.stringify({ ...result, cniVersion: version }) });
}

/** `K=V` with something between; of a name that comes twice, the first. */
function pairs(text: string, between: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const pair of text.split(between)) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, at));
    if (at > 0 && !found.has(name)) found.set(name, pair.slice(at + 1));
  }
  return found;
}

/** Addresses have the length of their prefix behind them. */
function texts(ips: unknown): readonly string[] {
  return items(ips).map((entry) => fields(entry)['address']).filter((address) => typeof address === 'string').map((address) => address.split('/', 1)[0] ?? '');
}

const isPath = (text: string): boolean => text.startsWith('/') && text.length <= MAX_PATH && !text.includes('\0');
