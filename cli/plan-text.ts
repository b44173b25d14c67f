import type { AdminPlan } from '@landbridge/federation/admin/admin-api.ts';
import { printable, textTable } from './text-table.ts';

/** A plan as a table, with what can not be said object by object below it. */
export function planText({ changes, notes }: AdminPlan): string {
  const rows = changes.map(({ verb, kind, namespace, name }) => [verb, kind, namespace, name]);
  const table = changes.length === 0 ? 'No object of the API server would be created, changed or deleted.\n' : textTable(['would', 'kind', 'namespace', 'name'], rows);
  return `${table}${notes.map((note) => `${printable(note)}\n`).join('')}Nothing was written.\n`;
}
