import { LandbridgeError } from '@landbridge/core/errors.ts';
import pino, { type Logger } from 'pino';
import type { FederationConfig } from './config.ts';

/** JSON lines on standard output. Of an error only what it says is logged: some carry certificates, tokens or whole answers. */
export function makeLog(config: Pick<FederationConfig, 'logLevel' | 'cluster'>): Logger {
  return pino({
    level: config.logLevel,
    base: { cluster: config.cluster },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level) => ({ level }) },
    serializers: { err: describe },
  });
}

function describe(thrown: unknown): object {
  const { code, message, hint, cause } = LandbridgeError.from(thrown);
  return { code, message: message.slice(0, 500), ...(hint === undefined ? {} : { hint }), ...(cause instanceof Error && cause !== thrown ? { cause: cause.message.slice(0, 500) } : {}) };
}
