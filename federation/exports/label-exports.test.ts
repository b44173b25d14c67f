import type { V1Namespace, V1Service } from '@kubernetes/client-node';
import test from 'ava';
import { MANAGED_BY_LABEL, MCS_VERSION, type ServiceExport } from '../kubernetes/types.ts';
import { CLOSED_NAMESPACES } from '../outputs/names.ts';
import { EXPORT_LABEL, isExportedByLabel, labelExportChange } from './label-exports.ts';

const labels = (value: string | undefined): Record<string, string> => (value === undefined ? {} : { [EXPORT_LABEL]: value });
const namespace = (value?: string, name = 'shop'): V1Namespace => ({ metadata: { name, labels: labels(value) } });
const service = (value?: string, more: V1Service['metadata'] = {}, spec: V1Service['spec'] = {}): V1Service => ({ metadata: { namespace: 'shop', name: 'cart', uid: 'u1', ...more, labels: { ...labels(value), ...more.labels } }, spec });
const made = labelExportChange({ service: service('true'), namespace: namespace(), serviceExport: undefined })?.object as ServiceExport;

test('a Service is exported by its own label, or by that of its namespace; its own goes first', (t) => {
  const table: readonly (readonly [own: string | undefined, namespace: string | undefined, isExported: boolean])[] = [
    [undefined, undefined, false], ['true', undefined, true], [undefined, 'true', true], ['false', 'true', false], ['true', 'false', true], ['', 'true', false], ['yes', 'true', false], [undefined, 'yes', false],
  ];
  for (const [own, ofNamespace, isExported] of table) t.is(isExportedByLabel(service(own), namespace(ofNamespace)), isExported, `${own} in ${ofNamespace}`);
});

test('no label exports what is the cluster’s own, what was imported, or what ends', (t) => {
  for (const name of CLOSED_NAMESPACES) t.false(isExportedByLabel(service('true', { namespace: name }), namespace('true', name)), name);
  t.false(isExportedByLabel(service('true', { namespace: 'default', name: 'kubernetes' }), namespace('true', 'default')));
  t.true(isExportedByLabel(service('true', { namespace: 'default', name: 'cart' }), namespace('true', 'default')));
  t.false(isExportedByLabel(service(undefined, { labels: { [MANAGED_BY_LABEL]: 'landbridge' } }), namespace('true')), 'a derived Service');
  t.false(isExportedByLabel(service('true', { deletionTimestamp: new Date() }), namespace()));
  t.false(isExportedByLabel(service('true'), { metadata: { name: 'shop', deletionTimestamp: new Date() } }));
  t.false(isExportedByLabel(service('true'), undefined));
});

test('what can not be exported gets an export that says so where it asks by itself, and none with its namespace', (t) => {
  t.true(isExportedByLabel(service('true', {}, { type: 'ExternalName' }), namespace()));
  t.false(isExportedByLabel(service(undefined, {}, { type: 'ExternalName' }), namespace('true')));
});

test('an export is made, owned by its Service, and taken away with the label or the Service', (t) => {
  t.like(made, { apiVersion: MCS_VERSION, kind: 'ServiceExport', metadata: { namespace: 'shop', name: 'cart', labels: { [MANAGED_BY_LABEL]: 'landbridge' } } });
  t.deepEqual(made.metadata?.ownerReferences, [{ apiVersion: 'v1', kind: 'Service', name: 'cart', uid: 'u1' }]);
  t.is(labelExportChange({ service: service('true'), namespace: namespace(), serviceExport: made }), undefined);
  for (const gone of [service(), service('false'), undefined]) t.deepEqual(labelExportChange({ service: gone, namespace: namespace(), serviceExport: made }), { verb: 'delete', object: made });
  t.is(labelExportChange({ service: service('true', { uid: 'u2' }), namespace: namespace(), serviceExport: made })?.verb, 'apply', 'of a Service that was made anew');
  t.is(labelExportChange({ service: service(), namespace: namespace(), serviceExport: undefined }), undefined);
});

test('an export that somebody else has made stays, with a label and without', (t) => {
  const theirs: ServiceExport = { apiVersion: MCS_VERSION, kind: 'ServiceExport', metadata: { namespace: 'shop', name: 'cart' } };
  for (const each of [service('true'), service('false'), service(), undefined]) t.is(labelExportChange({ service: each, namespace: namespace('true'), serviceExport: theirs }), undefined);
});
