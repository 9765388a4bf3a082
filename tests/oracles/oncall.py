"""Handovers by python-dateutil's rrule and the zones of PyPI's tzdata; iCalendar files by the icalendar package.

Reads one JSON object on standard input and answers with one on standard output. Knows nothing of Firstline but
the words of a rotation: start, handover, every, people.

PYTHONTZPATH must be empty: zoneinfo then reads the pinned tzdata and never the files of this machine.
"""

import json
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone

import icalendar
import tzdata
from dateutil import tz
from dateutil.rrule import DAILY, rrule



def first_instant(local, zone):
    """Unix seconds of the first moment at which the clocks of the zone show `local` or later."""
    aware = local.replace(tzinfo=zone, fold=0)
    if tz.datetime_exists(aware):
        return int(aware.timestamp())
    # The clocks jump over it: close in on the jump.
    naive = int(local.replace(tzinfo=timezone.utc).timestamp())
    before, after = naive - 36 * 3600, naive + 36 * 3600
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) < local:
            before = middle
        else:
            after = middle
    return after


def shifts(case):
    """[begin, place of the person] of each shift that begins in the first `days` days, one after the other."""
    zone = zoneinfo.ZoneInfo(case["zone"])
    start = datetime.fromisoformat(f'{case["start"]}T{case["handover"]}')
    people = case["people"]
    found = []
    handovers = rrule(DAILY, interval=case["every"], dtstart=start, until=start + timedelta(days=case["days"]))
    for turn, local in enumerate(handovers):
        begin, person = first_instant(local, zone), people[turn % len(people)]
        # A turn on a day that the zone skips has no length.
        if found and found[-1][0] == begin:
            found.pop()
        if not found or found[-1][1] != person:
            found.append([begin, person])
    return found


def events(text):
    """What a calendar reads out of an iCalendar file."""
    calendar = icalendar.Calendar.from_ical(text)
    assert not calendar.errors, calendar.errors
    found = []
    for event in calendar.walk("VEVENT"):
        assert not event.errors, event.errors
        begin, end = event["DTSTART"].dt, event["DTEND"].dt
        assert begin.utcoffset() == timedelta(0) and end.utcoffset() == timedelta(0)
        found.append(
            {
                "begin": int(begin.timestamp()),
                "end": int(end.timestamp()),
                "summary": str(event["SUMMARY"]),
                "uid": str(event["UID"]),
            }
        )
    return {"version": str(calendar["VERSION"]), "prodid": str(calendar["PRODID"]), "events": found}


def main():
    assert zoneinfo.TZPATH == (), "PYTHONTZPATH must be empty"
    asked = json.load(sys.stdin)
    json.dump(
        {
            "release": tzdata.IANA_VERSION,
            "zones": sorted(zoneinfo.available_timezones()),
            "shifts": [shifts(case) for case in asked["rotations"]],
            "calendars": [events(text) for text in asked["calendars"]],
        },
        sys.stdout,
    )


main()
