import test from 'ava';
import { parse } from 'yaml';
import { captureRules, environmentOf, localDiscovery, programOf, versionOf } from './ztunnel-configuration.ts';

const mesh = { clientIp: '192.0.2.1', serverIp: '192.0.2.2', serviceIp: '192.0.2.100', firstPort: 9001 };
const surrounding = { certificates: '/c', serverName: 'server.example', certificateService: { ip: '192.0.2.2', port: 7005 }, discovery: '/d/discovery.yaml' };

test('the service has the ports of all services of the application, and the server is its endpoint', (t) => {
  const told = parse(localDiscovery(mesh));
  const ports = { 9001: 9001, 9002: 9002, 9003: 9003 };
  const [service] = told.services;
  t.like(service, { vips: ['/192.0.2.100'], ports });
  const [client, server] = told.workloads;
  t.like(client, { name: 'client', workloadIps: ['192.0.2.1'], services: {} });
  t.like(server, { name: 'server', workloadIps: ['192.0.2.2'], protocol: 'HBONE', trustDomain: 'bench.example', services: { [`${service.namespace}/${service.hostname}`]: ports } });
});

test('ports are numbers where they are keys as well', (t) => {
  t.regex(localDiscovery(mesh), /^ +9001: 9001$/m);
  t.notRegex(localDiscovery(mesh), /["']9001/);
});

test('each end finds itself in what it is told', (t) => {
  const { workloads } = parse(localDiscovery(mesh));
  for (const end of ['client', 'server'] as const) {
    const environment = environmentOf(end, surrounding);
    const own = workloads.find(({ namespace, name, serviceAccount }: Record<string, string>) => `${namespace}/${name}/${serviceAccount}` === environment['PROXY_WORKLOAD_INFO']);
    t.is(own?.node, environment['NODE_NAME']);
    t.is(environment['AUTH_TOKEN'], end);
  }
});

test('only the callers’ end has transparent sockets: the rules hand connections to no others, and the server would dial as its caller', (t) => {
  t.deepEqual((['client', 'server'] as const).map((end) => environmentOf(end, surrounding)['ENABLE_ORIG_SRC']), ['true', 'false']);
  t.regex(captureRules('bench', '192.0.2.100'), /ip daddr 192\.0\.2\.100 meta l4proto tcp tproxy to :15001\n/);
});

test('a version is that of a release, or the beginning of a revision', (t) => {
  const built = (version: string): string => `version.BuildInfo{Version:"${version}", GitRevision:"62d826530e5ce85764e309170205b293efcbc80b", RustVersion:"1.95.0", BuildProfile:"release", BuildStatus:"Clean", IstioVersion:"unknown", CryptoProvider:"tls-aws-lc"}\n`;
  t.is(versionOf(built('62d826530e5ce85764e309170205b293efcbc80b')), '62d826530e5c, release build, tls-aws-lc');
  t.is(versionOf(built('1.31.0')), '1.31.0, release build, tls-aws-lc');
  t.is(versionOf(built('')), '62d826530e5c, release build, tls-aws-lc');
  t.is(versionOf('something else'), '');
});

test('an empty variable names no program, and a relative one is of here', (t) => {
  t.deepEqual([undefined, '', '/opt/ztunnel', 'ztunnel'].map(programOf), [undefined, undefined, '/opt/ztunnel', `${process.cwd()}/ztunnel`]);
});
