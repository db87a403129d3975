package main

import "testing"

func TestOnlyPids(t *testing.T) {
	const table = "UID        PID  PPID CMD\nroot         1     0 /sbin/init\nroot        42     1 sh -c 1 7\n\nnobody    4242    42 sleep 42\n"
	for _, tt := range []struct {
		name, table string
		pids        []int
		want        string
	}{
		{"some", table, []int{42, 4242}, "UID        PID  PPID CMD\nroot        42     1 sh -c 1 7\nnobody    4242    42 sleep 42\n"},
		{"none", table, nil, "UID        PID  PPID CMD\n"},
		{"parents do not count", table, []int{0, 7}, "UID        PID  PPID CMD\n"},
		{"a last line without its end", "PID\n 1\n 2", []int{2}, "PID\n 2"},
		{"nothing", "", []int{1}, ""},
	} {
		got, err := onlyPids([]byte(tt.table), tt.pids)
		if string(got) != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	_, err := onlyPids([]byte("CMD\ninit\n"), nil)
	wantError(t, "without a pid", err, "read the output of ps: it has no column PID (hint: ")
	for _, table := range []string{"CMD PID\na b 1\n", "CMD PID\nx\n"} {
		_, err := onlyPids([]byte(table), nil)
		wantError(t, table, err, `no pid in the column PID of "`)
	}
}
