/** When the source is left to its users. Minutes count from midnight on the zone's own clock. */
export interface BusinessHours {
  /** 1 = Monday ... 7 = Sunday, as ISO 8601 counts. */
  readonly days: readonly number[];
  readonly fromMinute: number;
  /** Exclusive; 1440 is the end of the day. */
  readonly toMinute: number;
  /** An IANA zone, e.g. `Europe/Berlin`. */
  readonly zone: string;
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/** `Mon-Fri 08:00-20:00 Europe/Berlin`, `Sat,Sun 10:00-16:00 UTC`. Null for anything else. Hours do not run past midnight. */
export function parseBusinessHours(text: string): BusinessHours | null {
  const [dayList, hours, zone, ...rest] = text.trim().split(/\s+/);
  if (dayList === undefined || hours === undefined || zone === undefined || rest.length > 0 || !isZone(zone)) return null;
  const days = new Set<number>();
  for (const part of dayList.split(",")) {
    const [first, last, ...more] = part.split("-").map((name) => DAYS.indexOf(name.toLowerCase()) + 1);
    const end = last ?? first;
    if (first === undefined || end === undefined || more.length > 0 || first < 1 || end < first) return null;
    for (let day = first; day <= end; day++) days.add(day);
  }
  const [from, to, ...more] = hours.split("-").map(parseMinute);
  if (from === undefined || to === undefined || from === null || to === null || more.length > 0 || from >= to) return null;
  return { days: [...days].sort((a, b) => a - b), fromMinute: from, toMinute: to, zone };
}

/** Whether the zone's own clock, summer time and all, shows an hour of these at that moment. */
export function isWithin({ days, fromMinute, toMinute, zone }: BusinessHours, at: Date): boolean {
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const part = Object.fromEntries(clock.formatToParts(at).map(({ type, value }) => [type, value]));
  const minute = Number(part.hour) * 60 + Number(part.minute);
  return days.includes(DAYS.indexOf(String(part.weekday).toLowerCase()) + 1) && fromMinute <= minute && minute < toMinute;
}

/** `08:00-20:00 Europe/Berlin`: the hours of a day, as the file has them. */
export function hoursText({ fromMinute, toMinute, zone }: BusinessHours): string {
  return `${minuteText(fromMinute)}-${minuteText(toMinute)} ${zone}`;
}

function minuteText(minute: number): string {
  return [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, "0")).join(":");
}

function parseMinute(text: string): number | null {
  const match = /^(\d\d?):(\d\d)$/.exec(text);
  if (match === null || Number(match[2]) > 59) return null;
  const minute = Number(match[1]) * 60 + Number(match[2]);
  return minute <= 1440 ? minute : null;
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
