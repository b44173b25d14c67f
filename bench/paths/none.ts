import type { Path } from '../path.ts';

/** What there is without a proxy. */
export const none: Path = {
  name: 'none',
  description: 'callers reach the application over plain TCP',
  prepare: async () => '',
  start: async ({ topology, application }) => ({
    clientAddress: { ip: topology.server.ip, port: application.port },
    tunnelAddress: undefined,
    processes: [],
    restartServer: undefined,
    stop: async () => {},
  }),
};
