/**
 * What many policies cost the federation service and an agent. Usage: node --expose-gc bench/policy-cost.ts [POLICIES]
 * [PODS]. Writes a table of processor time and of memory that stays. A tenth of the policies is for namespaces, the others select pods, each by two labels.
 */
import { convertAuthorizationPolicy } from '@landbridge/federation/policy/authorization-policy.ts';
import { exampleAuthorization, type PolicyObject } from '@landbridge/federation/policy/example-policies.ts';
import { PolicyConverter } from '@landbridge/federation/policy/policy-view.ts';
import { authorizationResources } from '@landbridge/federation/xds/authorization-resources.ts';
import { parseAuthorization } from '@landbridge/agent/discovery/authorization-resource.ts';
import { selectPolicies } from '@landbridge/core/authorization.ts';
import { AUTHORIZATION_TYPE } from '@landbridge/wire/protocol.ts';
import { delta } from '@landbridge/federation/xds/snapshot.ts';

const POLICIES = Number(process.argv[2] ?? 10_000);
const PODS = Number(process.argv[3] ?? 10_000);
const NAMESPACES = 100;
const APPS = 1000;

function policyObject(i: number): PolicyObject {
  const spec = {
    action: i % 3 === 0 ? 'DENY' : 'ALLOW',
    ...(i % 10 === 0 ? {} : { selector: { matchLabels: { app: `app-${i % APPS}`, tier: 'backend' } } }),
    rules: [{ from: [{ source: { principals: [`west.landbridge/ns/ns-${i % NAMESPACES}/sa/app-${i % 77}`, 'east.landbridge/*'], notIpBlocks: ['10.0.0.0/8'] } }], to: [{ operation: { ports: ['8080', '9090'] } }] }, { when: [{ key: 'source.namespace', values: ['monitoring'] }] }],
  };
  return exampleAuthorization(spec, { namespace: `ns-${i % NAMESPACES}`, name: `policy-${i}` });
}

const rows: [string, string][] = [];
function measure<T>(what: string, run: () => T): T {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const began = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(began);
  globalThis.gc?.();
  const grownBytes = process.memoryUsage().heapUsed - before;
  rows.push([what, `${((user + system) / 1000).toFixed(1)} ms, ${(grownBytes / 2 ** 20).toFixed(1)} MiB kept`]);
  return result;
}

const objects = measure(`${POLICIES} policies as the API server has them`, () => Array.from({ length: POLICIES }, (_, i) => policyObject(i)));
// Compiled before it is measured.
for (let i = 0; i < 2000; i++) convertAuthorizationPolicy(policyObject(i), 'root');
const converter = new PolicyConverter('landbridge-system');
const all = { authorizationPolicies: objects, peerAuthentications: [] };
const first = measure('all of them converted', () => converter.view(all));
const resources = measure('all of them encoded', () => authorizationResources(first.policies));
const changed = { ...all, authorizationPolicies: objects.with(0, policyObject(1_000_000)) };
const second = measure('converted again after a change of one', () => converter.view(changed));
const again = measure('encoded again after a change of one', () => authorizationResources(second.policies));
const known = new Map([...resources].map(([name, { version }]) => [name, version]));
const { updated, removed } = measure('what an agent that has all must be told', () => delta({ types: new Map([[AUTHORIZATION_TYPE, again]]), isComplete: () => true, allComplete: true, allListed: true }, AUTHORIZATION_TYPE, known));
const names = measure(`what ${PODS} pods name`, () => Array.from({ length: PODS }, (_, i) => second.namesFor(`ns-${i % NAMESPACES}`, { app: `app-${i % APPS}`, tier: 'backend', 'pod-template-hash': 'x' })));
const decoded = measure('all of them read by an agent', () => new Map([...again].map(([name, { bytes }]) => [name, parseAuthorization(bytes)])));
const policies = new Map([...decoded].flatMap(([name, result]) => (result.ok ? [[name, result.value] as const] : [])));
const selected = measure('those of one pod found by an agent', () => selectPolicies(policies, { namespace: 'ns-1', authorizationPolicies: names[1] ?? [] }));

const bytes = [...resources.values()].reduce((sum, resource) => sum + resource.bytes.length, 0);
rows.push(['on the wire, all of them', `${(bytes / 2 ** 20).toFixed(2)} MiB`]);
if (updated.length !== 1 || removed.length !== 1 || policies.size !== POLICIES || selected.missing.length > 0) throw new Error(`measured something else: ${updated.length} ${removed.length} ${policies.size} ${selected.missing.length}`);
process.stdout.write(`| what | cost |\n|---|---|\n${rows.map(([what, cost]) => `| ${what} | ${cost} |\n`).join('')}`);
