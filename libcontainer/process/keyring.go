package process

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rungoci/rung/internal/errdefs"
	"github.com/rungoci/rung/internal/sys"
)

// keyUserSearch is KEY_USR_SEARCH of linux/key.h: processes of the user who
// owns a keyring may find it, and so join it by name.
const keyUserSearch = 0x00080000

// keyOtherSearch is KEY_OTH_SEARCH: so may everybody else. In a user namespace
// the owner of a keyring is not always who joins it. The owner needs the bit of
// the user all the same: the kernel looks at one of the two only.
const keyOtherSearch = 0x00000008

// KeyringName returns a name for the session keyring of a new container, which
// nobody else can have in use or make use of. The kernel gives who joins a keyring
// by its name the first one that it may search, whoever made it: with a name that
// can be guessed, another user of the same user namespace could make it before,
// and own the container's keys.
//
// The name ends, behind a semicolon, in the one that runc gives: who looks for that
// takes what is behind the last semicolon of keyctl_describe(3).
func KeyringName(id string) (string, error) {
	var secret [16]byte
	// As few bytes as this come at once or not at all (getrandom(2)).
	if _, err := unix.Getrandom(secret[:], 0); err != nil {
		return "", errdefs.Doing(err, "make a name for the session keyring")
	}
	return hex.EncodeToString(secret[:]) + ";" + PlainKeyringName(id), nil
}

// PlainKeyringName returns the name that the session keyring of a container has
// with runc, and had with rung before it made names that cannot be guessed.
func PlainKeyringName(id string) string { return "_ses." + id }

// NewSessionKeyring gives the calling thread a session keyring of its own, so
// that the keys of rung's caller are out of the container's reach, and lets
// processes of the same user join it by its name (JoinSessionKeyring). A
// kernel without keyrings is fine. userns tells that the thread is in a user
// namespace of the container's.
func NewSessionKeyring(name string, userns bool) error {
	id, err := joinKeyring(name)
	if err != nil || id == 0 {
		return err
	}
	perm, err := keyringPerm(id)
	if err == nil {
		search := uint32(keyUserSearch)
		if userns {
			search |= keyOtherSearch
		}
		err = unix.KeyctlSetperm(id, perm|search)
	}
	return errdefs.Doing(err, "let the session keyring "+name+" be searched")
}

// JoinSessionKeyring makes the session keyring called name, of a container
// that runs, that of the thread. It makes one if there is none.
func JoinSessionKeyring(c sys.Caller, name string) error {
	errno := c.Call(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, sys.CString(c, name))
	return keyringError(errno, name)
}

// joinKeyring returns the id of the keyring, or 0 if the kernel has none.
func joinKeyring(name string) (int, error) {
	id, err := unix.KeyctlJoinSessionKeyring(name)
	if err != nil {
		return 0, keyringError(errnoOf(err), name)
	}
	return id, nil
}

func keyringError(errno unix.Errno, name string) error {
	if errno == 0 || errno == unix.ENOSYS {
		return nil
	}
	e := &errdefs.Error{Doing: "join the session keyring " + name, Err: errno}
	switch errno {
	case unix.EDQUOT:
		e.Hint = "there are too many keys: raise kernel.keys.root_maxkeys and root_maxbytes (or maxkeys and maxbytes for a user), or pass --no-new-keyring"
	case unix.EPERM, unix.EACCES:
		e.Hint = "a seccomp filter may forbid it, as in a container: pass --no-new-keyring"
	}
	return e
}

// keyringPerm returns the permissions of a key: the fourth part of
// "keyring;uid;gid;perm;name" (keyctl_describe(3)).
func keyringPerm(id int) (uint32, error) {
	description, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, id)
	if err != nil {
		return 0, err
	}
	parts := strings.SplitN(description, ";", 5)
	if len(parts) < 5 {
		return 0, errors.New("cannot read its description " + strconv.Quote(description))
	}
	perm, err := strconv.ParseUint(parts[3], 16, 32)
	return uint32(perm), err
}
