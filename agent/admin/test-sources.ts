/** What an agent could know, for tests of the admin interface. */
import type { AdminSources } from './admin-sources.ts';
import { LogLevels } from './log-levels.ts';

export function sourcesOf(over: Partial<AdminSources> = {}): AdminSources {
  return {
    version: '1.2.3',
    configuration: { CLUSTER_ID: 'east' },
    logLevels: new LogLevels('info'),
    workloads: () => [],
    services: () => [],
    endpointsOf: () => [],
    policies: () => [],
    certificates: () => [],
    pods: () => [],
    connections: async () => [],
    kernel: () => ({ release: '6.1.0', features: [] }),
    quit: () => {},
    ...over,
  };
}
