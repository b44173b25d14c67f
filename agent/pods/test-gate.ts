import type { Admission, PodGate, Sandbox } from './sandbox.ts';

/** A gate that does what a test says, and keeps what it was asked. */
export class TestGate implements PodGate {
  readonly asked: Sandbox[] = [];
  readonly ended: Pick<Sandbox, 'uid' | 'namespacePath'>[] = [];
  /** Signals of what was given up. */
  givenUp = 0;
  underWay = 0;
  mostUnderWay = 0;
  answer: (sandbox: Sandbox, signal: AbortSignal) => Promise<Admission> = async () => ({ kind: 'captured' });
  onEnd: () => Promise<void> = async () => {};

  async admit(sandbox: Sandbox, signal: AbortSignal): Promise<Admission> {
    this.asked.push(sandbox);
    this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
    const giveUp = (): void => void this.givenUp++;
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await this.answer(sandbox, signal);
    } finally {
      this.underWay--;
      signal.removeEventListener('abort', giveUp);
    }
  }

  async end(sandbox: Pick<Sandbox, 'uid' | 'namespacePath'>): Promise<void> {
    this.ended.push(sandbox);
    await this.onEnd();
  }

  isCaptured(uid: string): boolean {
    return this.asked.some((sandbox) => sandbox.uid === uid);
  }
}

export const NEVER = new Promise<never>(() => {});
