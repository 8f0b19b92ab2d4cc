/*
 * TOML's dates and times: RFC 3339 with 'T' or one space between date and time, the
 * offset, the time or the date left out. Digits past the nanosecond are dropped.
 */
#include "toml_lex.h"

static bool
digits(struct toml_text *t, int count, int min, int max, int *out)
{
	int value = 0;

	if (t->len < (size_t)count)
		return false;
	for (int i = 0; i < count; i++) {
		if (t->data[i] < '0' || t->data[i] > '9')
			return false;
		value = value * 10 + (t->data[i] - '0');
	}
	t->data += count;
	t->len -= (size_t)count;
	*out = value;
	return value >= min && value <= max;
}

static bool
one_of(struct toml_text *t, char a, char b)
{
	if (t->len == 0 || (*t->data != a && *t->data != b))
		return false;
	t->data++;
	t->len--;
	return true;
}

static int
days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool
scan_date(struct toml_text *t, struct toml_time *out)
{
	return digits(t, 4, 0, 9999, &out->year) && one_of(t, '-', '-') &&
	       digits(t, 2, 1, 12, &out->month) && one_of(t, '-', '-') &&
	       digits(t, 2, 1, days_in(out->year, out->month), &out->day);
}

static bool
scan_fraction(struct toml_text *t, struct toml_time *out)
{
	int unit = 100000000;
	int digit;

	if (!digits(t, 1, 0, 9, &digit))
		return false;
	do {
		out->nanosecond += digit * unit;
		unit /= 10;
	} while (digits(t, 1, 0, 9, &digit));
	return true;
}

static bool
scan_clock(struct toml_text *t, struct toml_time *out)
{
	return digits(t, 2, 0, 23, &out->hour) && one_of(t, ':', ':') &&
	       digits(t, 2, 0, 59, &out->minute) && one_of(t, ':', ':') &&
	       digits(t, 2, 0, 60, &out->second) &&
	       (!one_of(t, '.', '.') || scan_fraction(t, out));
}

static bool
scan_offset(struct toml_text *t, struct toml_time *out)
{
	int sign, hour, minute;

	if (one_of(t, 'Z', 'z'))
		return true;
	sign = t->len > 0 && *t->data == '-' ? -1 : 1;
	if (!one_of(t, '+', '-') || !digits(t, 2, 0, 23, &hour) || !one_of(t, ':', ':') ||
	    !digits(t, 2, 0, 59, &minute))
		return false;
	out->offset_min = sign * (hour * 60 + minute);
	return true;
}

bool
toml_scan_time(struct toml_text t, enum toml_type *type, struct toml_time *out)
{
	*out = (struct toml_time){0};
	*type = TOML_LOCAL_TIME;
	if (t.len > 2 && t.data[2] == ':')
		return scan_clock(&t, out) && t.len == 0;
	*type = TOML_LOCAL_DATE;
	if (!scan_date(&t, out))
		return false;
	if (t.len == 0)
		return true;
	if ((!one_of(&t, 'T', 't') && !one_of(&t, ' ', ' ')) || !scan_clock(&t, out))
		return false;
	*type = t.len == 0 ? TOML_LOCAL_DATETIME : TOML_DATETIME;
	return t.len == 0 || (scan_offset(&t, out) && t.len == 0);
}
