import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { CACHE, REPOSITORY, STATE, stateFile } from './paths.ts';
import { type LabPlan, type LabShape, parseShape, planLab } from './plan.ts';

/** What `up` leaves for later commands. */
export interface LabState {
  readonly shape: LabShape;
  /** The clone and the cache it was started from. */
  readonly repository: string;
  readonly cache: string;
  /** `starting` until the clusters are up; a lab that is found so was interrupted. */
  readonly phase: 'starting' | 'up';
  /** The product's image that the charts were installed with. */
  readonly image?: string;
}

export function writeState(state: Omit<LabState, 'repository' | 'cache'>): void {
  mkdirSync(STATE, { recursive: true, mode: 0o700 });
  writeFileSync(`${stateFile}.new`, `${JSON.stringify({ ...state, repository: REPOSITORY, cache: CACHE })}\n`);
  renameSync(`${stateFile}.new`, stateFile);
}

export function readState(): LabState | undefined {
  let value: Partial<LabState>;
  try {
    value = JSON.parse(readFileSync(stateFile, 'utf8')) as Partial<LabState>;
  } catch {
    // No lab, or one that was interrupted before it wrote anything.
    return undefined;
  }
  if (value.shape === undefined || !parseShape(value.shape).ok || (value.phase !== 'up' && value.phase !== 'starting')) return undefined;
  return value as LabState;
}

/** The plan of the running lab. @throws LandbridgeError `not-running` */
export function runningLab(): { readonly state: LabState; readonly plan: LabPlan } {
  const state = readState();
  if (state === undefined) throw new LandbridgeError('not-running', 'the lab is not running', { hint: 'Start it with npm run lab.' });
  return { state, plan: planLab(state.shape) };
}
