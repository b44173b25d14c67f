import test from 'ava';
import { bundleAgent } from '@landbridge/lab/program-bundles.ts';
import { buildCaptureObject } from '@landbridge/ebpf/build.ts';
import { exampleAuthentication, exampleAuthorization, type PolicyObject } from '@landbridge/federation/policy/example-policies.ts';
import { waitFor } from '@landbridge/lab/wait.ts';
import { NAMESPACE, TARGET_PORT } from '../footprint/pod-objects.ts';
import { caller, greeter } from '../mesh/applications.ts';
import { AgentNodes } from '../replacement/agent-nodes.ts';
import { echo, openCalls } from '../replacement/load.ts';

/** Ways to a pod: by a tunnel from the other node, within the node, in plaintext from outside of the mesh. */
const WAYS = ['far', 'near', 'plaintext'] as const;
type Way = (typeof WAYS)[number];

const ROOT = 'landbridge-system';
const ECHO_PORT = TARGET_PORT + 1;
const SETTLE_MS = 30_000;
/** From a change of policies to the end of connections that they forbid. */
const CUT_WITHIN_MS = 1000;

const principal = (name: string): string => `west.landbridge/ns/${NAMESPACE}/sa/${name}`;
const from = (...sources: object[]): object => ({ from: sources.map((source) => ({ source })) });
const selector = { matchLabels: { app: 'server' } };
const allow = (spec: object = {}, metadata: object = {}): PolicyObject => exampleAuthorization({ action: 'ALLOW', ...spec }, { name: 'allow', ...metadata });
const deny = (spec: object, metadata: object = {}): PolicyObject => exampleAuthorization({ action: 'DENY', ...spec }, { name: 'deny', ...metadata });
const strict = (spec: object = {}, metadata: object = {}): PolicyObject => exampleAuthentication({ mtls: { mode: 'STRICT' }, ...spec }, { name: 'strict', ...metadata });

const TABLE: readonly [what: string, policies: readonly PolicyObject[], allowed: readonly Way[]][] = [
  ['nothing', [], WAYS],
  ['allow nothing', [allow()], []],
  ['a policy of another namespace', [allow({}, { namespace: 'bank' })], WAYS],
  ['allow nothing in the root namespace', [allow({}, { namespace: ROOT })], []],
  ['allow a principal', [allow({ rules: [from({ principals: [principal('far')] })] })], ['far']],
  ['allow a trust domain', [allow({ rules: [from({ principals: ['west.landbridge/*'] })] })], ['far', 'near']],
  ['allow a namespace', [allow({ rules: [from({ namespaces: [NAMESPACE] })] })], ['far', 'near']],
  ['allow a service account to pods that are selected', [allow({ selector, rules: [from({ serviceAccounts: ['near'] })] })], ['near']],
  ['a selector that does not select', [allow({ selector: { matchLabels: { app: 'far' } } })], WAYS],
  ['a selector of the root namespace', [allow({ selector, rules: [from({ principals: ['*'] })] }, { namespace: ROOT })], ['far', 'near']],
  ['deny a principal', [deny({ rules: [from({ principals: [principal('far')] })] })], ['near', 'plaintext']],
  ['deny goes before allow', [allow({ rules: [{}] }), deny({ rules: [from({ notPrincipals: ['*'] })] })], ['far', 'near']],
  ['the port of the application', [deny({ rules: [{ to: [{ operation: { ports: [String(TARGET_PORT)] } }] }] })], []],
  ['another port', [deny({ rules: [{ to: [{ operation: { ports: ['1'] } }] }] })], WAYS],
  ['deny by a condition', [deny({ rules: [{ when: [{ key: 'source.principal', values: ['*/sa/near'] }] }] })], ['far', 'plaintext']],
  ['STRICT of the mesh', [strict({}, { namespace: ROOT })], ['far', 'near']],
  ['PERMISSIVE of the namespace', [strict({}, { namespace: ROOT }), strict({ mtls: { mode: 'PERMISSIVE' } })], WAYS],
  ['STRICT of the workload but for its port', [strict({ selector, portLevelMtls: { [TARGET_PORT]: { mode: 'PERMISSIVE' } } })], WAYS],
  ['STRICT of the port alone', [strict({ selector, mtls: { mode: 'PERMISSIVE' }, portLevelMtls: { [TARGET_PORT]: { mode: 'STRICT' } } })], ['far', 'near']],
  ['paths are allowed', [allow({ rules: [{ ...from({ principals: ['*'] }), to: [{ operation: { paths: ['/'] } }] }] })], []],
  ['paths are denied', [deny({ rules: [{ ...from({ principals: [principal('far')] }), to: [{ operation: { paths: ['/'] } }] }] })], ['near', 'plaintext']],
  ['an address in octal is allowed', [allow({ rules: [from({ ipBlocks: ['0.0.0.0/0', '012.0.0.1'] })] })], []],
  ['an address in octal is denied', [deny({ rules: [from({ ipBlocks: ['012.0.0.1'] })] })], []],
  ['nonsense that denies', [deny({ rules: 'all' })], []],
  ['a PeerAuthentication that can not be read', [strict({ mtls: { mode: 'STRIKT' } })], ['far', 'near']],
  ['a dry run', [deny({ rules: [{}] }, { annotations: { 'istio.io/dry-run': 'true' } })], WAYS],
];

test('what is written in policies holds for real connections, also for those that are open', async (t) => {
  t.timeout(600_000);
  buildCaptureObject();
  bundleAgent();
  await using nodes = await AgentNodes.open({ west: ['server', 'near'], east: ['far'] });
  const { mesh } = nodes;
  const server = mesh.pod('server');
  await server.start(greeter(TARGET_PORT));
  await server.start(echo(ECHO_PORT));
  await nodes.startReady('west');
  await nodes.startReady('east');
  await nodes.untilTunnelled('east', mesh.pod('far'), 'server');

  /** The next policies have other names, by which it is seen that the agent has them. */
  let turn = 0;
  const set = async (policies: readonly PolicyObject[]): Promise<void> => {
    const suffix = `-${++turn}`;
    const marker = exampleAuthorization({}, { namespace: 'elsewhere', name: `marker${suffix}` });
    nodes.setPolicies([...policies, marker]);
    await waitFor(async () => ((await mesh.node('west').run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:15000/config_dump'])).includes(`"marker${suffix}"`) ? true : undefined), { signal: new AbortController().signal, timeoutMs: SETTLE_MS, everyMs: 20, what: 'the agent to have the policies' });
  };
  const place = { far: mesh.pod('far'), near: mesh.pod('near'), plaintext: mesh.node('west') } as const;
  for (const [what, policies, allowed] of TABLE) {
    await set(policies);
    const answers = await Promise.all(WAYS.map(async (way) => await place[way].run(caller(server.address, TARGET_PORT))));
    t.deepEqual(WAYS.filter((_, i) => answers[i]?.includes('app saw')), [...allowed], `${what}: ${answers.join(', ')}`);
  }

  await set([]);
  const open = await Promise.all((['far', 'near'] as const).map(async (way) => await place[way].start(openCalls(server.address, ECHO_PORT, 10))));
  const ends = Promise.all(open.map(async (calls) => await calls.line()));
  const beganMs = performance.now();
  await set([deny({ rules: [from({ principals: [principal('far'), principal('near')] })] })]);
  t.deepEqual(await ends, ['{"ECONNRESET":10}', '{"ECONNRESET":10}']);
  const tookMs = performance.now() - beganMs;
  t.log(`20 connections were cut in ${Math.round(tookMs)} ms`);
  t.true(tookMs < CUT_WITHIN_MS, `${tookMs} ms`);
});
