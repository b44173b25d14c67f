import test from 'ava';
import pino from 'pino';
import { HboneClient } from './hbone-client.ts';
import { HboneServer } from './hbone-server.ts';
import { tunnelContract } from './tunnel.contract.ts';

tunnelContract(test, 'hbone over node:http2', {
  client: (bundles) => new HboneClient(bundles),
  server: (options) => new HboneServer({ ...options, log: pino({ level: 'silent' }) }),
  feed: (server, socket) => (server as HboneServer).take(socket),
});
