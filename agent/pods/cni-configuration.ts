import { err, ok, type Result } from '@landbridge/core/result.ts';
import { parseExactJson } from '@landbridge/wire/exact-json.ts';
import { CNI_TYPE } from '../cni-executable.ts';
import { type Fields, isObject } from '@landbridge/core/json-fields.ts';

/**
 * The file that the agent keeps in the directory of CNI configurations. Runtimes take the first one by name, and nearly
 * all that others write begin with two digits, as 10-calico.conflist does.
 */
export const CNI_FILE = '0-landbridge.conflist';

/** What the plugin is told by its entry. */
export interface CniEntry {
  readonly agentSocket: string;
  /** How long the plugin waits for an answer, in all. */
  readonly timeoutSeconds: number;
  /** For how long it looks for an agent that is not there. */
  readonly retrySeconds: number;
  /** Namespaces whose pods start without an agent. */
  readonly exemptNamespaces: readonly string[];
}

/** The files of the directory by name; those that runtimes do not read need not be among them. */
export type CniFiles = ReadonlyMap<string, string>;

export type CniPlan =
  | { readonly kind: 'in-force' }
  | { readonly kind: 'write'; readonly text: string }
  /** There is nothing left that it could follow. */
  | { readonly kind: 'remove' }
  /** As it is now there is no gate, or that of an earlier configuration. */
  | { readonly kind: 'wait'; readonly reason: string };

/** What runtimes read; the order is that of bytes (Go's sort.Strings). */
export const isCniFile = (name: string): boolean => /\.(conf|conflist|json)$/.test(name);
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/**
 * What is to be done so that the plugin comes last in the network that the node has without it. Files of others are only
 * read: whoever writes them anew takes nothing away, and when ours goes they are as they were.
 */
export function planCniFile(files: CniFiles, entry: CniEntry): CniPlan {
  const own = files.get(CNI_FILE);
  const first = [...files.keys()].filter((name) => isCniFile(name) && name !== CNI_FILE).sort(byBytes)[0];
  if (first === undefined) return own === undefined ? { kind: 'wait', reason: 'there is no CNI configuration yet' } : { kind: 'remove' };
  const text = withEntry(first, files.get(first) ?? '', entry);
  if (!text.ok) return { kind: 'wait', reason: `${first}: ${text.error}` };
  if (own !== text.value) return { kind: 'write', text: text.value };
  return byBytes(CNI_FILE, first) < 0 ? { kind: 'in-force' } : { kind: 'wait', reason: `${first} comes before ${CNI_FILE}: it needs another name` };
}

function withEntry(name: string, text: string, entry: CniEntry): Result<string> {
  const parsed = parseExactJson(text);
  if (!parsed.ok) return parsed;
  const list = listOf(name, parsed.value);
  if (!list.ok) return list;
  const { plugins, ...rest } = list.value;
  const others = plugins.filter((plugin) => plugin['type'] !== CNI_TYPE);
  if (others.length === 0) return err('there is no plugin in it');
  return ok(`${JSON.stringify({ ...rest, plugins: [...others, { type: CNI_TYPE, ...entry }] }, null, 2)}\n`);
}

/** A file of one plugin is read as a list of one, with its name and version, as runtimes do. */
function listOf(name: string, value: unknown): Result<Fields & { readonly plugins: readonly Fields[] }> {
  if (!isObject(value)) return err('it is not a JSON object');
  if (!name.endsWith('.conflist')) {
    if (typeof value['type'] !== 'string') return err('it has no plugin type');
    return ok({ ...(value['cniVersion'] === undefined ? {} : { cniVersion: value['cniVersion'] }), name: value['name'], plugins: [value] });
  }
  const plugins = value['plugins'];
  return Array.isArray(plugins) && plugins.every((plugin) => isObject(plugin) && typeof plugin['type'] === 'string') ? ok({ ...value, plugins }) : err('it has no list of plugins');
}
