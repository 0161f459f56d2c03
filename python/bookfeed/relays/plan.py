"""What is asked on one connection to a relay, and when again, decided without sockets or clocks.

``LinePlan`` is told what happened and when, and says which frames to send. The rules:

* Each topic is asked for in a frame of its own, so that one which the relay does not know silences
  no other; frames are spaced.
* A topic that is silent for longer than it may be is asked for again, then ever more rarely, and
  once more when it speaks again. The relay's past comes with it, so nothing is missing that the
  relay still has.
* One that stays silent while others speak is ``hopeless``: it is to have a connection of its own,
  where a new connection costs no neighbour anything.
* One that the relay refuses is asked for again, rarely.
* Where frames are missing, the topics that they may be of are asked for again.
* Topics that want a key wait until the key was accepted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bookfeed.clock import NS_PER_S, seconds_ns
from bookfeed.live.pacing import TokenBucket
from bookfeed.relays.status import TopicState
from bookfeed.venues.relay import Relay, Topic

if TYPE_CHECKING:
    from bookfeed.venues.secret import Secret

# Asked for again so many times on a connection where others speak, a topic needs another.
TRIES_MAX: Final = 2
# How rarely what is silent or refused is asked for at last.
AGAIN_NS_MAX: Final = 600 * NS_PER_S
REFUSED_NS: Final = 60 * NS_PER_S
# Frames that are missing again and again are not asked for as often.
LOST_NS: Final = 10 * NS_PER_S
# How long a key may take to be accepted.
KEY_NS: Final = 10 * NS_PER_S
KEY_TRIES_MAX: Final = 4
# Topics that may be quiet prove nothing: their connection is replaced now and then.
QUIET_NS: Final = 600 * NS_PER_S

_FAR_NS: Final = 366 * 86_400 * NS_PER_S


@dataclass(slots=True)
class _Wanted:
    """One topic on this connection."""

    topic: Topic
    rid: str
    state: TopicState = "waiting"
    cause: str = ""
    asked_ns: int | None = None
    """When it was asked for on the present connection; ``None`` if it is to be."""
    heard_ns: int | None = None
    ever_heard_ns: int | None = None
    again_ns: int = 0
    """When it may be asked for again."""
    tries: int = 0
    given_up: bool = False
    """Whether it is to be given up before it is asked for."""


class LinePlan:
    """The topics of one connection; see the module for the rules. Times in Unix nanoseconds."""

    def __init__(self, relay: Relay, credentials: Any = None) -> None:
        self._relay: Final = relay
        self._credentials: Final = credentials
        self._wanted: Final[dict[Topic, _Wanted]] = {}
        self._leaving: Final[list[_Wanted]] = []
        self._bucket: Final = TokenBucket(relay.frames_burst, seconds_ns(relay.frame_interval_s))
        self._opened_ns: int | None = None
        # When the key is to be shown, and when it was, without an answer yet.
        self._key_due_ns: int | None = None
        self._key_sent_ns: int | None = None
        self._key_tries = 0
        self._accepted = False
        self._numbers = 0
        self.topics_max = relay.topics_max
        """The most topics; fewer once the relay says that we are too slow."""

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, topic: Topic) -> bool:
        return topic in self._wanted

    @property
    def topics(self) -> list[Topic]:
        """The topics, in the order in which they came."""
        return list(self._wanted)

    def status(self, topic: Topic) -> tuple[TopicState, str, int | None]:
        """State, cause in words, and when data last came."""
        wanted = self._wanted[topic]
        state = wanted.state if self._opened_ns is not None else "down"
        return state, wanted.cause, wanted.ever_heard_ns

    # What happened.

    def add(self, topic: Topic) -> None:
        """Ask for a topic from now on."""
        self._numbers += 1
        self._wanted.setdefault(topic, _Wanted(topic, f"t{self._numbers}"))

    def remove(self, topic: Topic) -> None:
        """Give a topic up."""
        wanted = self._wanted.pop(topic)
        if wanted.asked_ns is not None or wanted.given_up:
            self._leaving.append(wanted)

    def opened(self, now_ns: int) -> None:
        """The connection is open: everything is to be asked for."""
        self._opened_ns = self._key_due_ns = now_ns
        self._key_sent_ns, self._key_tries, self._accepted = None, 0, False
        self._leaving.clear()
        for wanted in self._wanted.values():
            wanted.asked_ns = wanted.heard_ns = None
            wanted.again_ns, wanted.tries, wanted.given_up = now_ns, 0, False
            self._set(wanted, "waiting")

    def closed(self) -> None:
        """The connection is gone."""
        self._opened_ns = None

    def heard(self, name: str, symbol: str, now_ns: int) -> None:
        """Data of a topic came, other than of the past: that proves no stream."""
        for wanted in self._wanted.values():
            if not wanted.topic.covers(name, symbol):
                continue
            wanted.heard_ns = wanted.ever_heard_ns = now_ns
            wanted.tries = 0
            if wanted.state == "silent" and wanted.asked_ns is not None:
                # What came before it was asked for last is there, what came since is not.
                self._ask_again(wanted, max(now_ns, wanted.asked_ns + LOST_NS))
            self._set(wanted, "live")

    def accepted(self) -> None:
        """The key was accepted."""
        self._accepted, self._key_sent_ns = True, None
        for wanted in self._keyed():
            self._set(wanted, "waiting")

    def refused(self, name: str, of_type: str, rid: str, why: str, now_ns: int) -> None:
        """The relay does not give a topic, by its number or its name."""
        for wanted in self._wanted.values():
            topic = wanted.topic
            named = bool(name) and topic.name == name and of_type in ("", topic.type, "update")
            if wanted.rid == rid if rid else named:
                wanted.asked_ns = None
                wanted.tries += 1
                self._set(wanted, "refused", why)
                wanted.again_ns = now_ns + _doubled(REFUSED_NS, wanted.tries - 1)

    def key_refused(self, why: str, now_ns: int, *, later: bool) -> None:
        """The key was not accepted; ``later`` if it may be."""
        again = later and self._key_tries < KEY_TRIES_MAX
        self._key_sent_ns, self._key_due_ns = None, now_ns + KEY_NS if again else None
        for wanted in self._keyed():
            self._set(wanted, "refused", why)

    def lost(self, name: str, now_ns: int) -> None:
        """Frames of a topic, or of any if it has no name, are missing."""
        for wanted in self._wanted.values():
            asked_ns = wanted.asked_ns
            if asked_ns is not None and name in ("", wanted.topic.name):
                self._ask_again(wanted, max(now_ns, asked_ns + LOST_NS))

    # What is to be done.

    def frames(self, now_ns: int) -> "Iterable[str | Secret]":
        """What to send now; each is noted as sent once it was taken."""
        if self._opened_ns is None:
            return
        key = self._key(now_ns)
        if key is not None:
            yield key
        while self._leaving and self._bucket.take(now_ns):
            wanted = self._leaving.pop(0)
            yield self._relay.unsubscribe(wanted.topic, wanted.rid)
        for wanted in list(self._wanted.values()):
            self._look(wanted, now_ns)
            if wanted.asked_ns is not None or now_ns < wanted.again_ns or not self._may(wanted):
                continue
            if wanted.given_up:
                if not self._bucket.take(now_ns):
                    return
                wanted.given_up = False
                yield self._relay.unsubscribe(wanted.topic, wanted.rid)
            if not self._bucket.take(now_ns):
                return
            wanted.asked_ns = now_ns
            yield self._relay.subscribe(wanted.topic, wanted.rid)

    def hopeless(self) -> list[Topic]:
        """Topics that stay silent although others of the connection speak."""
        spoken = any(wanted.state == "live" for wanted in self._wanted.values())
        if not spoken:
            return []
        silent = (wanted for wanted in self._wanted.values() if wanted.state == "silent")
        return [wanted.topic for wanted in silent if wanted.tries > TRIES_MAX]

    def excess(self) -> list[Topic]:
        """Topics beyond as many as the connection may have."""
        return self.topics[self.topics_max :]

    def slower(self) -> None:
        """The relay left frames out because we are too slow: half as many topics from now on."""
        self.topics_max = max(len(self._wanted) // 2, 1)

    def replace_reason(self, now_ns: int) -> str:
        """Why the connection is to be replaced now; empty if it is not."""
        if self._opened_ns is None or not self._wanted:
            return ""
        if self._key_sent_ns is not None and now_ns - self._key_sent_ns >= KEY_NS:
            return "no answer to the key"
        judged = any(self._patience_ns(wanted) for wanted in self._wanted.values())
        if not judged and now_ns - self._opened_ns >= QUIET_NS:
            return "old, and nothing of it proves that it lives"
        return ""

    # How silence is judged.

    def proof_ns(self) -> int:
        """When data last came of a topic that is never quiet; 0 if they never did."""
        heard = [w.heard_ns for w in self._judged() if w.heard_ns is not None]
        return max(heard, default=0)

    def quiet_until_ns(self) -> int:
        """Until when nothing is to be expected, beyond the relay's own patience."""
        judged = self._judged()
        if self._opened_ns is None or not judged:
            return (self._opened_ns or 0) + _FAR_NS
        patience_ns = min(self._patience_ns(wanted) for wanted in judged)
        since_ns = max(self.proof_ns(), self._opened_ns)
        return since_ns + max(0, patience_ns - seconds_ns(self._relay.silence_s))

    def _judged(self) -> list[_Wanted]:
        """Topics whose silence says something: not those that are refused."""
        return [w for w in self._wanted.values() if self._patience_ns(w) and w.state != "refused"]

    def _patience_ns(self, wanted: _Wanted) -> int:
        """How long a topic may be silent; 0 for as long as it likes."""
        patience_s = self._relay.patience_s(wanted.topic)
        return 0 if patience_s is None else seconds_ns(patience_s)

    # How a topic stands.

    def _set(self, wanted: _Wanted, state: TopicState, cause: str = "") -> None:
        wanted.state, wanted.cause = state, cause

    def _ask_again(self, wanted: _Wanted, at_ns: int) -> None:
        wanted.asked_ns, wanted.again_ns, wanted.given_up = None, at_ns, True

    def _look(self, wanted: _Wanted, now_ns: int) -> None:
        """Has a topic been silent for too long?"""
        patience_ns = self._patience_ns(wanted)
        if not patience_ns or wanted.asked_ns is None:
            return
        since_ns = max(wanted.heard_ns or 0, wanted.asked_ns)
        if now_ns - since_ns >= _doubled(patience_ns, wanted.tries):
            wanted.tries += 1
            self._set(wanted, "silent", f"nothing for {patience_ns // NS_PER_S} s")
            self._ask_again(wanted, now_ns)

    def _keyed(self) -> list[_Wanted]:
        return [w for w in self._wanted.values() if self._relay.needs_key(w.topic)]

    def _may(self, wanted: _Wanted) -> bool:
        """Whether a topic may be asked for: those that want a key, once it was accepted."""
        return self._accepted or not self._relay.needs_key(wanted.topic)

    def _key(self, now_ns: int) -> "Secret | None":
        """The frame that shows the key, when it is time for it."""
        authenticate: Callable[[Any, str], Secret] | None = self._relay.authenticate
        if authenticate is None or self._accepted or not self._keyed():
            return None
        if self._credentials is None:
            for wanted in self._keyed():
                self._set(wanted, "refused", self._relay.no_key)
            return None
        if self._key_due_ns is None or now_ns < self._key_due_ns:
            return None
        self._key_tries += 1
        self._key_due_ns, self._key_sent_ns = None, now_ns
        return authenticate(self._credentials, "key")


def _doubled(ns: int, times: int) -> int:
    return min(ns << min(times, 16), max(ns, AGAIN_NS_MAX))
