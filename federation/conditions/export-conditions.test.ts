import test from 'ava';
import { MCS_VERSION, type ServiceExport } from '../kubernetes/types.ts';
import { type ExportFacts, exportConditions } from './export-conditions.ts';

const FACTS: ExportFacts = { validity: { valid: true }, publication: { kind: 'stored' }, conflicts: [], leftOut: [] };
const bare: ServiceExport = { apiVersion: MCS_VERSION, kind: 'ServiceExport', metadata: { namespace: 'shop', name: 'cart', generation: 2 } };
const at = (ms: number): Date => new Date(ms);

function said(object: ServiceExport, facts: Partial<ExportFacts>): Record<string, string> {
  return Object.fromEntries((exportConditions(object, { ...FACTS, ...facts }, at(1)) ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

test('an export that stands and is at the hub is valid, ready and without conflict, of its generation', (t) => {
  t.deepEqual(said(bare, {}), { Valid: 'True Valid', Ready: 'True Exported', Conflict: 'False NoConflicts' });
  t.true(exportConditions(bare, FACTS, at(1))?.every(({ observedGeneration }) => observedGeneration === 2));
});

test('without a Service it waits, one that can not be exported fails', (t) => {
  t.deepEqual(said(bare, { validity: { valid: false, reason: 'NoService', message: 'none' } }), { Valid: 'False NoService', Ready: 'False Pending', Conflict: 'False NoConflicts' });
  t.deepEqual(said(bare, { validity: { valid: false, reason: 'InvalidServiceType', message: 'no' } }), { Valid: 'False InvalidServiceType', Ready: 'False Failed', Conflict: 'False NoConflicts' });
});

test('it is ready once the hub has it, and stays so while it is written anew', (t) => {
  t.is(said(bare, { publication: { kind: 'alone' } })['Ready'], 'False Pending');
  t.is(said(bare, { publication: { kind: 'waiting' } })['Ready'], 'False Pending');
  const conditions = exportConditions(bare, FACTS, at(1)) ?? [];
  t.is(exportConditions({ ...bare, status: { conditions } }, { ...FACTS, publication: { kind: 'waiting' } }, at(2)), undefined);
  t.is(said({ ...bare, status: { conditions } }, { publication: { kind: 'refused', message: 'too large' } })['Ready'], 'False Failed');
});

test('a conflict has the reasons of all fields, and names who decided, why, and who differs', (t) => {
  const conflicts: ExportFacts['conflicts'] = [
    { kind: 'port-displaced', field: 'ports', port: { name: 'http', protocol: 'TCP', port: 81 }, by: { name: 'http', protocol: 'TCP', port: 80 }, winner: 'east', losers: ['west'] },
    { kind: 'value', field: 'type', value: 'ClusterSetIP', winner: 'east', losers: ['north', 'west'] },
    { kind: 'port-absent', field: 'ports', port: { name: '', protocol: 'UDP', port: 53 }, winner: 'west', losers: ['east'] },
    { kind: 'value', field: 'exportedLabels', value: '', winner: 'east', losers: ['west'] },
  ];
  const condition = exportConditions(bare, { ...FACTS, conflicts }, at(1))?.find(({ type }) => type === 'Conflict');
  t.is(condition?.reason, 'PortConflict,TypeConflict,LabelsConflict');
  t.is(condition?.message, 'ports: http 81/TCP of west is left out for http 80/TCP of east, whose export was seen first. type is ClusterSetIP as in east, whose export was seen first, other than in north, west. ports: 53/UDP is in west and not in east, ports are united and each leads to the clusters that have it. exportedLabels are those of east, whose export was seen first, other than in west');
});

test('since when a condition holds changes with its status only, and what is said already asks for no write', (t) => {
  const conditions = exportConditions(bare, FACTS, at(1)) ?? [];
  t.is(exportConditions({ ...bare, status: { conditions } }, FACTS, at(2)), undefined);
  const conflicts: ExportFacts['conflicts'] = [{ kind: 'value', field: 'type', value: 'Headless', winner: 'east', losers: ['west'] }];
  const after = exportConditions({ ...bare, status: { conditions } }, { ...FACTS, conflicts, leftOut: ['example.org/x'] }, at(2)) ?? [];
  t.deepEqual(Object.fromEntries(after.map(({ type, lastTransitionTime }) => [type, Number(lastTransitionTime)])), { Valid: 1, Ready: 1, Conflict: 2 });
  t.regex(after.find(({ type }) => type === 'Ready')?.message ?? '', /example\.org\/x/);
});

test('while not all clusters are known, what was said of conflicts stays', (t) => {
  const conflicts: ExportFacts['conflicts'] = [{ kind: 'value', field: 'type', value: 'Headless', winner: 'east', losers: ['west'] }];
  const conditions = exportConditions(bare, { ...FACTS, conflicts }, at(1)) ?? [];
  t.is(exportConditions({ ...bare, status: { conditions } }, { ...FACTS, conflicts: undefined }, at(2)), undefined);
});
