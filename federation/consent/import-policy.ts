import { parsePrefix } from '@landbridge/core/ip-address.ts';
import { fields, isObject } from '@landbridge/core/json-fields.ts';
import { AddressRanges } from './address-ranges.ts';
import { type Governs, governsValidator, type ImportPolicySpec, type ImportRule, importPolicySpecValidator } from './import-policy-schema.ts';

/** Names that are meant; undefined for all. */
type Names = ReadonlySet<string> | undefined;

interface Place {
  readonly namespaces: Names;
  readonly services: Names;
}

export interface Rule extends Place {
  readonly clusters: Names;
  readonly ranges: AddressRanges | undefined;
  readonly maxSharePercent: number | undefined;
  readonly unlessLocal: boolean;
}

/** As it is in force. With a fault it allows nothing of what it governs, which is all where that can not be read either. */
export interface ImportPolicy {
  readonly name: string;
  readonly governs: Place;
  readonly allow: readonly Rule[];
  readonly fault: string | undefined;
}

/** Any object, whatever the API server has let somebody write. */
export function parseImportPolicy(object: unknown): ImportPolicy {
  const { metadata, spec } = fields(object);
  const said = fields(metadata)['name'];
  const name = typeof said === 'string' ? said : '';
  if (!importPolicySpecValidator.Check(spec)) return faulty(name, spec, faultOf(spec));
  const allow: Rule[] = [];
  for (const [i, rule] of spec.allow.entries()) {
    const ranges = rule.ranges?.map(parsePrefix);
    const wrong = ranges?.find((range) => !range.ok);
    if (wrong !== undefined) return faulty(name, spec, `/spec/allow/${i}/ranges: ${wrong.ok ? '' : wrong.error}`);
    allow.push(ruleOf(rule, ranges === undefined ? undefined : new AddressRanges(ranges.flatMap((range) => (range.ok ? [range.value] : [])))));
  }
  return { name, governs: placeOf(spec.governs ?? {}), allow, fault: undefined };
}

function ruleOf({ clusters, namespaces, services, maxSharePercent, unlessLocal }: ImportRule, ranges: AddressRanges | undefined): Rule {
  return { clusters: namesOf(clusters), ...placeOf({ ...(namespaces === undefined ? {} : { namespaces }), ...(services === undefined ? {} : { services }) }), ranges, maxSharePercent, unlessLocal: unlessLocal ?? false };
}

/** Governs what it surely governs, where that much can be read, so that one mistake does not stop all imports. */
export function faulty(name: string, spec: ImportPolicySpec | unknown, fault: string): ImportPolicy {
  const governs = isObject(spec) ? spec['governs'] : undefined;
  return { name, governs: governsValidator.Check(governs) ? placeOf(governs) : placeOf({}), allow: [], fault };
}

const namesOf = (names: readonly string[] | undefined): Names => (names === undefined ? undefined : new Set(names));
const placeOf = ({ namespaces, services }: Governs): Place => ({ namespaces: namesOf(namespaces), services: namesOf(services) });

/** The first thing that is wrong with it, in a few words. */
function faultOf(spec: unknown): string {
  const [first] = importPolicySpecValidator.Errors(spec);
  return first === undefined ? 'it can not be read' : `/spec${first.instancePath} ${first.message}`.slice(0, 300);
}
