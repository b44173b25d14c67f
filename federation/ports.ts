import { LandbridgeError } from '@landbridge/core/errors.ts';

/** Where the service listens. */
export interface Ports {
  /** Certificates and discovery. */
  readonly agents: number;
  /** Health and metrics. */
  readonly monitoring: number;
  /** On loopback. */
  readonly admin: number;
}

const VARIABLES = { agents: ['AGENTS_PORT', 15012], monitoring: ['MONITORING_PORT', 15014], admin: ['ADMIN_PORT', 15000] } as const;

/** Agents, the chart and the command know the usual ones: others are for several processes at one address. @throws LandbridgeError `bad-config` */
export function readPorts(environment: Readonly<Record<string, string | undefined>>): Ports {
  const read = ([name, usual]: readonly [string, number]): number => {
    const text = environment[name] || String(usual);
    const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > 65_535) throw new LandbridgeError('bad-config', `${name} is no port: ${JSON.stringify(text.slice(0, 20))}`, { hint: 'Leave it out.' });
    return port;
  };
  return { agents: read(VARIABLES.agents), monitoring: read(VARIABLES.monitoring), admin: read(VARIABLES.admin) };
}
