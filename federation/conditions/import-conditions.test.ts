import type { V1Service } from '@kubernetes/client-node';
import test from 'ava';
import { MCS_VERSION, type ServiceImport } from '../kubernetes/types.ts';
import { exampleImport } from '../outputs/example-imports.ts';
import { importConditions } from './import-conditions.ts';

const object: ServiceImport = { apiVersion: MCS_VERSION, kind: 'ServiceImport', metadata: { namespace: 'shop', name: 'cart', generation: 1 } };
/** With the addresses in it. */
const told = (service: V1Service | undefined): ServiceImport => ({ ...object, spec: { ips: (service?.spec?.clusterIPs ?? []).filter((ip) => ip !== '') } });
const having = (...clusterIPs: string[]): V1Service => ({ spec: { clusterIPs } });
const said = (imported: Parameters<typeof importConditions>[1], service: V1Service | undefined): readonly (readonly [string, string, string])[] => (importConditions(told(service), imported, service, new Date(1)) ?? []).map(({ type, status, reason }) => [type, status, reason] as const);

test('an import is ready once it has an address of a family of its own', (t) => {
  t.deepEqual(said(exampleImport(), undefined), [['Ready', 'False', 'Pending']]);
  t.deepEqual(said(exampleImport(), having('')), [['Ready', 'False', 'Pending']]);
  t.deepEqual(said(exampleImport(), having('10.0.0.1')), [['Ready', 'True', 'Ready']]);
  t.deepEqual(said(exampleImport({ ipFamilies: ['IPv6'] }), having('10.0.0.1')), [['Ready', 'False', 'IPFamilyNotSupported']]);
  t.deepEqual(said(exampleImport({ ipFamilies: ['IPv6'] }), having('10.0.0.1', 'fd00::1')), [['Ready', 'True', 'Ready']]);
});

test('an address counts once it stands in the import, which is the generation that is observed', (t) => {
  t.like(importConditions(object, exampleImport(), having('10.0.0.1'), new Date(1))?.[0], { status: 'False', reason: 'Pending' });
});

test('one of two families is enough, and the other is named', (t) => {
  const [condition] = importConditions(told(having('10.0.0.1')), exampleImport({ ipFamilies: ['IPv6', 'IPv4'] }), having('10.0.0.1'), new Date(1)) ?? [];
  t.like(condition, { status: 'True', reason: 'Ready', observedGeneration: 1 });
  t.regex(condition?.message ?? '', /IPv6/);
});

test('a headless import needs no address; what is said already asks for no write', (t) => {
  const imported = exampleImport({ type: 'Headless' });
  t.deepEqual(said(imported, undefined), [['Ready', 'True', 'Ready']]);
  t.is(importConditions({ ...object, status: { conditions: importConditions(object, imported, undefined, new Date(1)) ?? [] } }, imported, undefined, new Date(2)), undefined);
});
