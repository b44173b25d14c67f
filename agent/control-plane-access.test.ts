import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { ztunnelEnvironment } from '../test/istio/ztunnel-environment.ts';
import { readEnvironment } from './config.ts';
import { controlPlaneAccess, holdsToken } from './control-plane-access.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'landbridge-access-'));
test.after.always(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};

/** What Istio's manifests give to ztunnel, and nothing else. */
const ISTIO = { CLUSTER_ID: 'Kubernetes', NODE_NAME: 'n', POD_NAME: 'ztunnel-x', POD_NAMESPACE: 'istio-system', INSTANCE_IP: '10.0.0.9', SERVICE_ACCOUNT: 'ztunnel' };
const read = (variables: Readonly<Record<string, string>>) => readEnvironment({ ...ISTIO, ...variables });

test('without a word the agent goes to istiod where ztunnel does', (t) => {
  const environment = read({});
  t.like(environment, { XDS_ADDRESS: 'https://istiod.istio-system.svc:15012', CA_ADDRESS: 'https://istiod.istio-system.svc:15012', XDS_ROOT_CA: '/var/run/secrets/istio/root-cert.pem', CA_ROOT_CA: '/var/run/secrets/istio/root-cert.pem', TOKEN_FILE: '/var/run/secrets/tokens/istio-token', TRUST_DOMAIN: 'cluster.local', NETWORK: '', TRUST_SOURCE: 'discovery' });
  const { serverName, headers } = controlPlaneAccess('XDS', environment, {});
  t.deepEqual([serverName, headers?.size], [undefined, 0]);
});

test('what the chart of ztunnel has in its DaemonSet is all that is needed', (t) => {
  const variables = ztunnelEnvironment({ node: 'n', ip: '10.0.0.9', pod: 'ztunnel-x', namespace: 'istio-system', account: 'ztunnel' }, { address: 'istiod.istio-system.svc:15012', clusterId: 'Kubernetes' });
  const environment = readEnvironment(variables);
  t.like(environment, { CLUSTER_ID: 'Kubernetes', NODE_NAME: 'n', POD_NAME: 'ztunnel-x', POD_NAMESPACE: 'istio-system', INSTANCE_IP: '10.0.0.9', TERMINATION_GRACE_PERIOD_SECONDS: 30 });
  for (const which of ['XDS', 'CA'] as const) t.is(controlPlaneAccess(which, environment, variables).address, 'https://istiod.istio-system.svc:15012', which);
  t.is(readEnvironment({ ...variables, CLUSTER_ID: 'other' }).CLUSTER_ID, 'Kubernetes', 'as ztunnel chooses');
});

test('each of the two services has its own address, roots, name and headers', (t) => {
  const variables = { XDS_ADDRESS: 'https://x:1', CA_ADDRESS: 'https://c:2', XDS_ROOT_CA: file('x.pem', 'roots of x'), CA_ROOT_CA: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', ALT_XDS_HOSTNAME: 'istiod.example', XDS_HEADER_x: '1', CA_HEADER_Trace: 'yes' };
  const environment = read(variables);
  const [xds, ca] = [controlPlaneAccess('XDS', environment, variables), controlPlaneAccess('CA', environment, variables)];
  t.deepEqual([xds.address, ca.address], ['https://x:1', 'https://c:2']);
  t.deepEqual([xds.rootPem().toString(), ca.rootPem().toString()], ['roots of x', variables.CA_ROOT_CA]);
  t.deepEqual([xds.serverName, ca.serverName], ['istiod.example', undefined]);
  t.deepEqual([[...(xds.headers ?? [])], [...(ca.headers ?? [])]], [[['x', '1']], [['trace', 'yes']]]);
});

test('the roots of the machine are taken where that is said', (t) => {
  t.regex(controlPlaneAccess('CA', read({ CA_ROOT_CA: 'SYSTEM' }), {}).rootPem().toString(), /^(-----BEGIN CERTIFICATE-----|$)/);
});

test('a token is a file, read again for each call, or stands there itself', (t) => {
  const token = file('token', 'first\n');
  const access = controlPlaneAccess('CA', read({ AUTH_TOKEN: token }), {});
  t.is(access.token(), 'first');
  file('token', 'second');
  t.is(access.token(), 'second');
  t.is(controlPlaneAccess('CA', read({ TOKEN_FILE: token }), {}).token(), 'second');
  t.is(controlPlaneAccess('CA', read({ AUTH_TOKEN: 'eyJhbGciOi' }), {}).token(), 'eyJhbGciOi');
  t.deepEqual(['', token, './token', 'eyJhbGciOi'].map((AUTH_TOKEN) => holdsToken({ AUTH_TOKEN })), [false, false, false, true]);
});

test('what can be no header is named', (t) => {
  for (const variables of [{ XDS_HEADER_: 'x' }, { 'XDS_HEADER_a b': 'x' }, { XDS_HEADER_x: 'a\nb' }, { 'XDS_HEADER_x-bin': 'x' }]) {
    t.throws(() => controlPlaneAccess('XDS', read({}), variables), { code: 'bad-config', message: new RegExp(Object.keys(variables)[0] ?? '') });
    t.notThrows(() => controlPlaneAccess('CA', read({}), variables));
  }
  t.throws(() => controlPlaneAccess('XDS', read({}), Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`XDS_HEADER_h${i}`, '']))), { code: 'bad-config' });
});
