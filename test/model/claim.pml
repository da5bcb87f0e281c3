/*
 * The claim protocol of the queue, for spin. In every interleaving
 *   - no committed job that is ready is at or below the floor of a committed claim: nobody would look there again;
 *   - no job is taken by two claims that commit, and in the end a sweep finds every committed job that none took.
 *
 * One lane, one job a batch. The steps are those of the SQL, each statement with a snapshot of its own (READ COMMITTED):
 *   producer  start   pg_current_xact_id(), which ops.insert_jobs and ops.queue_one_job call first
 *             draw    nextval('ops.ready_seq') and the insert into ops.ready
 *             end     commit, or roll back, at any later time
 *   claimer   place   ops.place_of: the newest claims and the xmin of one snapshot
 *             take    the select … for update skip locked of ops.take_ready: its snapshot, then its locks
 *             floor   what a sweep in ops.claim_lane does after that
 *             note    ops.new_claim_id(); ops.grant_lease, whose subtransaction draws an xid if the hint has moved; then the
 *                     insert into ops.claim with that xid, or with the one that bounded the hint before
 *             end     commit, or roll back: the claimer died
 *
 * The xmax of a snapshot is one past the newest xid that has ENDED; a running transaction can have it, or a newer one.
 *
 * These protocols look right and are not:
 *   SEQ_BEFORE_XID  a producer draws its seq before it has an xid
 *   XMAX_OF_ENDED   next_xid is the xmax of a snapshot, whatever has ended
 *   XMAX_FIRST      next_xid is newer than every xid there is, but taken with the place, before the jobs
 *   OWN_XID         next_xid is the claimer's own xid
 *   OLD_XID         a hint moves with the next_xid of the one before
 *   FLOOR_IS_HINT   the floor moves to the hint, safe or not
 *   NO_RECHECK      a row is taken as the snapshot showed it, though another claim has deleted it since
 *
 * Left out, as they only keep the floor lower or a row where it is: that place_of looks at sixteen claims, that an older
 * statement of a claimer's transaction gave it its xid, cut batches, and jobs that are set aside. So are the bits of chance at
 * the end of a claim's id, which change nothing in the order of ids, and what is scheduled, of which the floor is for speed only.
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#define CLAIMS    2 /* of each claimer */
#endif
#define CLAIMERS  2
#define LAST      (CLAIMERS * CLAIMS)
#define bit(n)    (1 << (n))

/* Sets of xids, of seqs and of claims are bits. */
byte new_xid = 1, new_seq = 1, new_claim = 1;
int  running;              /* xids */
byte ended;                /* the newest xid that has ended */
byte stored, locked, gone; /* rows of ready: committed; locked by a claim; deleted by a committed one */
byte shown;                /* committed claims */
byte hint[LAST + 1], next_xid[LAST + 1], floor[LAST + 1];
byte highest;              /* floor of a committed claim */
byte producers, claimers;  /* that have started: who comes first is number 0, as they are alike */
byte left = PRODUCERS + CLAIMERS;

inline start(xid) {
  xid = new_xid; new_xid++;
  running = running | bit(xid)
}

inline end(xid) {
  running = running & ~bit(xid);
  if :: ended < xid -> ended = xid :: else fi;
  xid = 0
}

/* The committed jobs that no committed claim has, up to the highest floor. */
#define nothing_is_lost() assert((stored & ~gone & (bit(highest + 1) - 1)) == 0)

proctype producer(byte number) {
  byte xid, seq;
#ifdef SEQ_BEFORE_XID
  d_step { producers == number -> seq = new_seq; new_seq++; producers++ }
  d_step { start(xid) }
#else
  d_step { producers == number -> start(xid); producers++ }
  d_step { seq = new_seq; new_seq++ }
#endif
  if
  :: d_step { stored = stored | bit(seq); end(xid); seq = 0; left--; nothing_is_lost() }
  :: d_step { end(xid); seq = 0; left-- }
  fi
}

inline place() {
  d_step {
    xmin = 1;
    do :: xmin <= ended && !(running & bit(xmin)) -> xmin++ :: else -> break od;
    my_hint = 0; my_floor = 0; my_next = 0; safe = 0; newest = 0; newest_next = 0;
    n = new_claim;
    do
    :: n > 1 ->
       n--;
       if
       :: shown & bit(n) ->
          if
          :: found -> if :: hint[n] < my_hint -> my_hint = hint[n] :: else fi
          :: else -> my_floor = floor[n]; my_hint = hint[n]; newest = hint[n]; newest_next = next_xid[n]; found = true
          fi;
          my_next = next_xid[n];
          if :: next_xid[n] <= xmin -> safe = my_hint; break :: else fi
       :: else
       fi
    :: else -> break
    od;
    found = false; n = 0; xmin = 0;
#ifdef FLOOR_IS_HINT
    safe = my_hint;
#endif
    if :: safe < my_floor -> safe = my_floor :: else fi;
#ifdef XMAX_FIRST
    my_next = new_xid;
#endif
  }
}

inline take(after, upto) {
  d_step { seen = stored & ~gone & ~mine }
  d_step {
    n = after + 1; used = 0;
    do
    :: n <= upto && most > 0 ->
       if
#ifdef NO_RECHECK
       :: seen & ~locked & bit(n) ->
#else
       :: seen & ~locked & ~gone & bit(n) ->
#endif
          if :: xid == 0 -> start(xid) :: else fi;
          mine = mine | bit(n); locked = locked | bit(n);
          used = n; most--
       :: else
       fi;
       n++
    :: else -> break
    od;
    seen = 0; n = 0
  }
}

inline move_floor() {
  d_step {
    seen = stored & ~gone & ~mine;
    do
    :: my_floor < safe && !(seen & bit(my_floor + 1)) -> my_floor++
    :: else -> break
    od;
    seen = 0
  }
}

/* The hint moves with what was taken; a claim that took nothing notes how far the last one was. */
inline get_on() {
  d_step {
#ifdef OLD_XID
    if :: used -> my_hint = used :: else fi
#else
    if
    :: mine && used ->
       my_hint = used;
       if :: used > newest -> moved = true :: else -> my_next = newest_next fi
    :: else -> my_hint = newest; my_next = newest_next
    fi
#endif
  }
}

/* A sweep that had no room for more goes back to what it left. */
inline go_back(from) {
  d_step {
    n = from;
    do
    :: n < my_hint && !(stored & ~gone & ~mine & bit(n + 1)) -> n++
    :: else -> break
    od;
    my_hint = n; n = 0
  }
}

inline note() {
  d_step { id = new_claim; new_claim++ }
  d_step {
    if :: xid == 0 -> start(xid) :: else fi;
#if defined(OWN_XID)
    my_next = xid
#elif defined(XMAX_OF_ENDED)
    my_next = ended + 1
#elif !defined(XMAX_FIRST)
    if :: moved -> my_next = new_xid; new_xid++ :: else fi
#endif
  }
  d_step { hint[id] = my_hint; floor[id] = my_floor; next_xid[id] = my_next }
}

/* A subtransaction ends with its transaction. */
inline end_sub() {
  if :: moved && ended < my_next -> ended = my_next :: else fi
}

inline commit() {
  d_step {
    assert((mine & gone) == 0);
    gone = gone | mine; locked = locked & ~mine;
    shown = shown | bit(id);
    if :: my_floor > highest -> highest = my_floor :: else fi;
    end(xid);
    end_sub();
    nothing_is_lost()
  }
}

inline roll_back() {
  d_step {
    locked = locked & ~mine;
    hint[id] = 0; floor[id] = 0; next_xid[id] = 0;
    end(xid);
    end_sub()
  }
}

inline forget() {
  d_step { mine = 0; my_hint = 0; my_floor = 0; my_next = 0; safe = 0; used = 0; newest = 0; newest_next = 0; id = 0; most = 0; swept = false; moved = false }
}

#define variables byte xid, xmin, my_hint, my_floor, my_next, safe, newest, newest_next, seen, mine, used, most, id, n; bool found, swept, moved

proctype claimer(byte number) {
  variables;
  byte turn;
  do
  :: turn < CLAIMS ->
     atomic {
       claimers >= number;
       if :: turn == 0 -> claimers++ :: else fi;
       turn++;
#ifdef OWN_XID
       start(xid); /* it took jobs of another lane before */
#endif
       if :: most = 1 :: most = PRODUCERS fi;
       place();
       if :: my_floor < my_hint -> swept = true :: skip fi /* it is time for a sweep, or not */
     }
     if
     :: swept ->
        take(my_floor, my_hint);
        if :: most == 0 -> go_back(my_floor) :: else fi;
        move_floor()
     :: else
     fi;
     if
     :: most > 0 -> take(my_hint, PRODUCERS); get_on()
     :: else
     fi;
     if
     :: mine || swept -> note(); if :: commit() :: roll_back() fi
#ifdef OWN_XID
     :: !mine -> d_step { end(xid) }
#else
     :: !mine /* a sweep is noted only if it took long */
#endif
     fi;
     forget()
  :: else -> break
  od;
  left--
}

init {
  variables;
  atomic {
    for (n : 0 .. PRODUCERS - 1) { run producer(n) }
    for (n : 0 .. CLAIMERS - 1) { run claimer(n) }
    n = 0
  }
  left == 0; /* All have ended: one more sweep. */
  most = PRODUCERS;
  place();
  take(my_floor, my_hint);
  take(my_hint, PRODUCERS);
  assert(((gone | mine) & stored) == stored)
}
