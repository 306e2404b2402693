/**
 * cast: who takes part: 20 senders and 20 readers, some of the first generation, some readers second devices of
 * senders, and one who reads the history of the room while it lasts.
 */
import { Random } from "./random.ts";
import type { Recorder } from "./recorder.ts";
import { type Door, Talker } from "./talker.ts";

export interface User {
  userId: number;
  userPwd: string;
  userName: string;
}

export interface Cast {
  users: User[];
  talkers: Talker[];
  archivist: Talker;
}

const senderCount = 20;
const legacySenderCount = 3;
const impatientSenderCount = 6;
const readerCount = 20;
const legacyReaderCount = 5;
const secondDeviceCount = 5;

/** Makes them; nobody has dialled yet. */
export function castOf({
  recorder,
  doors,
  seed,
  firstUserId,
  thinkMs,
}: {
  recorder: Recorder;
  doors: readonly Door[];
  seed: number;
  firstUserId: number;
  thinkMs: number;
}): Cast {
  const random = new Random(seed, "cast");
  const users: User[] = [];
  const newUser = (): User => {
    const userId = firstUserId + users.length;
    const user = { userId, userPwd: `pw${userId}`, userName: `prover ${users.length + 1}` };
    users.push(user);
    return user;
  };
  const senders = Array.from({ length: senderCount }, newUser);
  const modernSenders = senders.slice(0, senderCount - legacySenderCount);
  const readers = Array.from({ length: readerCount }, (_, index) =>
    index < secondDeviceCount ? (senders[index] as User) : newUser(),
  );
  const common = { recorder, doors, seed, thinkMs };
  const sending = senders.map((user, index) => {
    const legacy = index >= modernSenders.length;
    const isImpatient = !legacy && index >= modernSenders.length - impatientSenderCount;
    const peers = [
      random.pick(readers.slice(0, readerCount - legacyReaderCount)),
      random.pick(readers.slice(readerCount - legacyReaderCount)),
      random.pick(senders),
    ];
    return new Talker({
      ...common,
      userId: user.userId,
      userPwd: user.userPwd,
      device: legacy ? "legacy" : "phone",
      legacy,
      sender: recorder.addSender(user.userId),
      window: legacy ? 1 : isImpatient ? 6 : 1,
      peers: legacy ? [] : peers.map(({ userId }) => userId).filter((userId) => userId !== user.userId),
    });
  });
  const reading = readers.map((user, index) => {
    const legacy = index >= readerCount - legacyReaderCount;
    const device = legacy ? "legacy" : index < secondDeviceCount ? "tablet" : "phone";
    return new Talker({ ...common, ...only(user), device, legacy, sender: -1, window: 1, peers: [] });
  });
  const archivist = new Talker({
    ...common,
    ...only(newUser()),
    ...{ device: "archive", legacy: false, sender: -1, window: 1, peers: [] },
  });
  return { users, talkers: [...sending, ...reading], archivist };
}

function only({ userId, userPwd }: User): Pick<User, "userId" | "userPwd"> {
  return { userId, userPwd };
}
