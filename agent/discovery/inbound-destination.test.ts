import { type Authority, parseAuthority } from '@landbridge/wire/authority.ts';
import test from 'ava';
import { type InboundDestination, validateDestination } from './inbound-destination.ts';
import { gatewayAt, ipAddress, registryOf, servesAt, serviceOf, workloadOf } from './test-resources.ts';
import type { Service, Workload } from './wds-address.ts';

const ECHO = serviceOf('echo', { addresses: ['/10.9.0.1'], ports: new Map([[8080, 0], [9090, 9091]]) });
const POD = workloadOf(1, { services: servesAt(ECHO) });
const LABELS = { hostname: 'echo.demo.svc.clusterset.local', namespace: 'demo', name: 'echo' };

const authority = (text: string): Authority => {
  const parsed = parseAuthority(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
};
const validate = (to: string, resources: readonly (Workload | Service)[] = [ECHO, POD], pod: Workload | undefined = POD, ip = '10.1.0.1'): InboundDestination => validateDestination(registryOf(...resources), pod, authority(to), ipAddress(ip));
const status = (of: InboundDestination): number => (of.kind === 'refuse' ? of.status : 200);

test("the pod's own address is accepted, with the port that was asked for", (t) => {
  t.deepEqual(validate('10.1.0.1:7'), { kind: 'dial', ip: ipAddress('10.1.0.1'), port: 7, service: undefined, tunnel: undefined, proxyDestination: undefined });
  t.like(validate('[fd01::1]:7', [POD], POD, 'fd01::1'), { kind: 'dial', ip: 'fd01::1' });
});

test('before discovery knows the pod it takes nothing', (t) => {
  t.is(status(validateDestination(registryOf(ECHO), undefined, authority('10.1.0.1:7'), ipAddress('10.1.0.1'))), 503);
});

test('another address is refused', (t) => {
  for (const to of ['10.1.0.2:80', '10.9.0.1:8080', '[fd01::1]:80', '127.0.0.1:80']) t.is(status(validate(to)), 400, to);
});

test('a hostname leads to the port that the pod has for it, else to that of the service', (t) => {
  t.deepEqual(validate('echo.demo.svc.clusterset.local:8080'), { kind: 'dial', ip: ipAddress('10.1.0.1'), port: 80, service: LABELS, tunnel: undefined, proxyDestination: undefined });
  t.like(validate('echo.demo.svc.clusterset.local:9090'), { port: 9091 });
  t.is(status(validate('echo.demo.svc.clusterset.local:8080', [ECHO, workloadOf(1)], workloadOf(1))), 503, 'a named port that the pod lacks');
  t.is(status(validate('echo.demo.svc.clusterset.local:1')), 503);
  t.is(status(validate('other.demo.svc.clusterset.local:8080')), 503);
});

test('a hostname leads to a pod that takes no new connections for it: what comes was sent before that was known', (t) => {
  const unhealthy = { ...POD, healthy: false };
  t.like(validate('echo.demo.svc.clusterset.local:8080', [ECHO, unhealthy], unhealthy), { kind: 'dial', port: 80 });
  const resting = workloadOf(1, { resting: servesAt(ECHO) });
  t.deepEqual(validate('echo.demo.svc.clusterset.local:8080', [ECHO, resting], resting), { kind: 'dial', ip: ipAddress('10.1.0.1'), port: 80, service: LABELS, tunnel: undefined, proxyDestination: undefined });
  t.like(validate('echo.demo.svc.clusterset.local:9090', [ECHO, resting], resting), { port: 9091 });
  t.is(status(validate('echo.demo.svc.clusterset.local:1', [ECHO, resting], resting)), 503);
});

test("of several services of a hostname the one of the pod's namespace is meant", (t) => {
  const there = serviceOf('there', { namespace: 'other', hostname: 'h.example', canonical: true, ports: new Map([[80, 81]]) });
  const here = serviceOf('here', { hostname: 'h.example', ports: new Map([[80, 82]]) });
  t.like(validate('h.example:80', [there, here, POD]), { port: 82, service: { name: 'here' } });
  t.like(validate('h.example:80', [there, POD]), { port: 81 });
  t.is(status(validate('h.example:80', [{ ...there, visibility: 'namespace' }, POD])), 503);
});

test("the agent's own ports are refused, by whatever name", (t) => {
  for (const port of [15001, 15006, 15008]) t.is(status(validate(`10.1.0.1:${port}`)), 503, String(port));
  t.is(status(validate('h.example:80', [serviceOf('x', { hostname: 'h.example', ports: new Map([[80, 15008]]) }), POD])), 503);
  t.is(status(validate('10.1.0.1:80', [POD], { ...POD, applicationTunnel: { protocol: 'none', port: 15008 } })), 503);
});

test('a waypoint takes what is addressed to those that name it', (t) => {
  const waypoint = serviceOf('waypoint', { ports: new Map([[15008, 15008]]), addresses: ['/10.9.0.9'] });
  const pod = workloadOf(8, { services: servesAt(waypoint, { 15008: 15008 }) });
  const names: Service = { ...ECHO, waypoint: gatewayAt(waypoint) };
  const validateAt = (resources: readonly (Workload | Service)[], to: string): InboundDestination => validate(to, [waypoint, pod, ...resources], pod, '10.1.0.8');
  t.like(validateAt([names], '10.9.0.1:8080'), { kind: 'dial', ip: '10.1.0.8', port: 8080 }, 'a service');
  t.is(status(validateAt([ECHO], '10.9.0.1:8080')), 400, 'one that names none');
  t.is(status(validateAt([{ ...names, waypoint: undefined, weightedWaypoints: [{ destination: gatewayAt(waypoint), weight: 1 }] }], '10.9.0.1:8080')), 200, 'a service that names several');
  t.is(status(validateAt([workloadOf(1, { waypoint: gatewayAt(waypoint) })], '10.1.0.1:8080')), 200, 'a workload');
  t.is(status(validateAt([workloadOf(1)], '10.1.0.1:8080')), 400);
  t.is(status(validateAt([{ ...names, waypoint: { kind: 'address', network: '', ip: ipAddress('10.1.0.8'), port: 15008 } }], '10.9.0.1:8080')), 200, 'by its own address');
  t.is(status(validateAt([{ ...names, waypoint: { kind: 'address', network: '', ip: ipAddress('10.9.0.9'), port: 15008 } }], '10.9.0.1:8080')), 200, 'by the address of its service');
  t.is(status(validate('10.9.0.1:8080', [names, waypoint, POD])), 400, 'somebody else');
  t.is(status(validateAt([names], '192.0.2.1:80')), 400, 'what nobody knows');
});

test('an application that takes everything at one port is given it there, and a PROXY header says the destination', (t) => {
  const pod: Workload = { ...POD, applicationTunnel: { protocol: 'proxy', port: 15088 } };
  t.deepEqual(validate('192.0.2.1:8080', [ECHO, pod], pod), { kind: 'dial', ip: ipAddress('10.1.0.1'), port: 15088, service: undefined, tunnel: { port: 15088, proxyProtocol: true }, proxyDestination: { ip: ipAddress('192.0.2.1'), port: 8080 } });
  t.like(validate('echo.demo.svc.clusterset.local:8080', [ECHO, pod], pod), { port: 15088, proxyDestination: { ip: '10.9.0.1', port: 8080 }, service: LABELS });
  const several: Service = { ...ECHO, addresses: ['west/10.9.9.9', '/fd09::1', '/10.9.0.2'] };
  t.like(validate('echo.demo.svc.clusterset.local:8080', [several, pod], pod), { proxyDestination: { ip: '10.9.0.2' } });
  t.is(status(validate('echo.demo.svc.clusterset.local:8080', [{ ...ECHO, addresses: [] }, pod], pod)), 503);
  const plain: Workload = { ...POD, applicationTunnel: { protocol: 'none', port: undefined } };
  t.like(validate('192.0.2.1:8080', [plain], plain), { port: 8080, tunnel: { port: 8080, proxyProtocol: false }, proxyDestination: undefined });
});
