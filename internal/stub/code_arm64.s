#include "textflag.h"

// func codeAddr() *byte
TEXT ·codeAddr(SB), NOSPLIT, $0-8
	MOVD $·code(SB), R0
	MOVD R0, ret+0(FP)
	RET

// code walks the list. R19 is the header, R20 the call, R22 the result of the
// call before. The numbers of the kinds and the offsets are those of stub.go.
TEXT ·code(SB), NOSPLIT|NOFRAME, $0-0
	MOVD $0x500000, R19
	MOVD 0(R19), R20
walk:
	MOVD 0(R20), R8
	MOVD 8(R20), R0
	MOVD 16(R20), R1
	MOVD 24(R20), R2
	MOVD 32(R20), R3
	MOVD 40(R20), R4
	MOVD $0, R5
	MOVD 48(R20), R21
	CMP  $2, R21
	BNE  mem
	MOVD R22, R0
mem:
	CMP  $7, R21
	BNE  enter
	MOVW (R0), R0
enter:
	SVC
	CMP  $8, R21
	BEQ  over
	MOVD R0, R22
	CMN  $4095, R0
	BCS  failed
	CMP  $3, R21
	BNE  path
	CBZ  R0, end
path:
	CMP  $6, R21
	BEQ  jump
	CMP  $4, R21
	BNE  next
	MOVD 8(R20), R1
	MOVBU (R1), R1
	CMP  $0x2f, R1
	BNE  outside
next:
	ADD  $56, R20
	B    walk
jump:
	MOVD 16(R20), R19
	MOVD 0(R19), R20
	B    walk
failed:
	CMP  $1, R21
	BEQ  next
	NEG  R0, R0
	CMP  $5, R21
	BNE  report
	CMP  $2, R0
	BEQ  next
	CMP  $13, R0
	BEQ  next
	CMP  $20, R0
	BEQ  next
	B    report
end:
	MOVD $32, R0
	B    report
outside:
	MOVD $18, R0
report:
	MOVD R20, 16(R19)
	MOVD R0, 24(R19)
	MOVD 8(R19), R20
	B    walk
over:
	// An undefined instruction.
	WORD $0
	// "rungrung"
	WORD $0x676e7572
	WORD $0x676e7572
