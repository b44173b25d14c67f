import { buildRust, lockedVersions } from '../build.ts';
import { tunnelPair } from './tunnel-pair.ts';

export const rust = tunnelPair({
  name: 'rust',
  description: 'the yardstick: tokio, rustls and h2, CONNECT streams on one connection (bench/peers/rust-pair)',
  prepare: async (signal) => ({ program: [await buildRust('rust-pair', signal)], version: lockedVersions('rust-pair', ['tokio', 'rustls', 'aws-lc-rs', 'h2']) }),
});
