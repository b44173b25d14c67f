import { fields, items } from '@landbridge/core/json-fields.ts';

/** Of one pod; further ones are not probed past the agent. */
export const MAX_PROBE_PORTS = 64;

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const;
const HOOKS = ['postStart', 'preStop'] as const;
const ACTIONS = ['httpGet', 'tcpSocket', 'grpc'] as const;

/**
 * Ports at the pod's own address that its specification has the kubelet dial: of probes and of lifecycle hooks. With a
 * `host` they go elsewhere, and are no reason to let anything into this pod.
 */
export function probePorts(spec: unknown): readonly number[] {
  const { containers, initContainers } = fields(spec);
  const ports = [...items(containers), ...items(initContainers)].flatMap(portsOfContainer);
  return [...new Set(ports)].slice(0, MAX_PROBE_PORTS).sort((a, b) => a - b);
}

function portsOfContainer(container: unknown): number[] {
  const of = fields(container);
  const lifecycle = fields(of['lifecycle']);
  const handlers = [...PROBES.map((name) => of[name]), ...HOOKS.map((name) => lifecycle[name])];
  return handlers.flatMap((handler) => ACTIONS.map((action) => fields(fields(handler)[action]))).flatMap(({ port, host }) => {
    const number = host === undefined || host === '' ? portNumber(port, of['ports']) : undefined;
    return number === undefined ? [] : [number];
  });
}

/** A number, or a name: of a port of the same container, or a number in letters. */
function portNumber(port: unknown, named: unknown): number | undefined {
  const known = typeof port === 'string' ? items(named).map(fields).find(({ name }) => name === port)?.['containerPort'] : port;
  const number = known ?? (typeof port === 'string' && /^[0-9]{1,5}$/.test(port) ? Number(port) : undefined);
  return typeof number === 'number' && Number.isInteger(number) && number > 0 && number <= 0xffff ? number : undefined;
}
