/** The admin interface. It has no passwords: it listens on the node's loopback address only, as ztunnel's does on the pod's. */
import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import { type Answer, type HttpServer, plain, type Routes, startHttpServer } from '../http-routes.ts';
import type { AdminSources } from './admin-sources.ts';
import { configDump, connectionsDump } from './config-dump.ts';
import { LOG_LEVELS, type LogLevels, parseLogLevel } from './log-levels.ts';

export const ADMIN_PORT = 15000;

const USAGE = `POST /logging?level=<level> changes the level (${LOG_LEVELS.join(', ')}), POST /logging?reset takes the change back`;
const INDEX = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Landbridge agent</title></head><body>
<h1>Landbridge agent</h1>
<table>
<tr><td><a href="config_dump">config_dump</a></td><td>what the agent knows: workloads, services, policies, certificates, pods</td></tr>
<tr><td><a href="connections">connections</a></td><td>connections under way</td></tr>
<tr><td><a href="kernel">kernel</a></td><td>what the kernel has of what capture needs</td></tr>
<tr><td><a href="logging">logging</a></td><td>the level of the log; POST ?level=debug changes it</td></tr>
<tr><td>quitquitquit</td><td>POST shuts the agent down</td></tr>
</table>
</body></html>
`;

/** @throws where the port is taken */
export async function startAdminServer({ port, sources, log }: { readonly port: number; readonly sources: AdminSources; readonly log: Logger }): Promise<HttpServer> {
  const json = (body: AsyncIterable<string>): Answer => ({ status: 200, type: 'application/json', body });
  const routes: Routes = {
    '/': { GET: () => ({ status: 200, type: 'text/html', body: INDEX }) },
    '/config_dump': { GET: (_, signal) => json(configDump(sources, signal)) },
    '/connections': { GET: (_, signal) => json(connectionsDump(sources, signal)) },
    '/kernel': { GET: () => ({ status: 200, type: 'application/json', body: JSON.stringify(sources.kernel()) }) },
    '/logging': { GET: () => tellLevel(sources.logLevels), POST: (query) => changeLevel(sources.logLevels, query, log) },
    '/quitquitquit': {
      POST: () => {
        log.warn('the agent is told to shut down');
        return { ...plain(200, 'shutting down'), afterwards: () => sources.quit() };
      },
    },
  };
  return await startHttpServer({ port, host: '127.0.0.1', routes, accepts: isLocal, log });
}

/** A web page that somebody on the node has open must not reach this server (DNS rebinding): browsers name the page's host here. */
function isLocal({ headers }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d{1,5}$/, '');
  return ['localhost', '127.0.0.1', '[::1]'].includes(host) && headers.origin === undefined;
}

function tellLevel({ level }: LogLevels): Answer {
  return plain(200, `current log level is ${level}`);
}

function changeLevel(levels: LogLevels, query: URLSearchParams, log: Logger): Answer {
  const text = query.get('level');
  const level = text === null ? undefined : parseLogLevel(text);
  if (text !== null && level === undefined) return plain(400, USAGE);
  if (query.has('reset')) levels.reset();
  if (level !== undefined) levels.set(level);
  if (query.has('reset') || level !== undefined) log.warn({ log_level: levels.level }, 'the log level was changed');
  return tellLevel(levels);
}
