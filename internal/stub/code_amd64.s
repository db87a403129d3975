#include "textflag.h"

// func codeAddr() *byte
TEXT ·codeAddr(SB), NOSPLIT, $0-8
	LEAQ ·code(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// code walks the list. R13 is the header, BX the call, R12 the result of the
// call before. The numbers of the kinds and the offsets are those of stub.go.
TEXT ·code(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $0x500000, R13
	MOVQ 0(R13), BX
walk:
	MOVQ 0(BX), AX
	MOVQ 8(BX), DI
	MOVQ 16(BX), SI
	MOVQ 24(BX), DX
	MOVQ 32(BX), R10
	MOVQ 40(BX), R8
	XORL R9, R9
	MOVQ 48(BX), R14
	CMPQ R14, $2
	JNE  mem
	MOVQ R12, DI
mem:
	CMPQ R14, $7
	JNE  enter
	MOVLQSX (DI), DI
enter:
	SYSCALL
	CMPQ R14, $8
	JEQ  over
	MOVQ AX, R12
	CMPQ AX, $-4095
	JCC  failed
	CMPQ R14, $3
	JNE  path
	TESTQ AX, AX
	JEQ  end
path:
	CMPQ R14, $6
	JEQ  jump
	CMPQ R14, $4
	JNE  next
	MOVQ 8(BX), CX
	CMPB (CX), $0x2f
	JNE  outside
next:
	ADDQ $56, BX
	JMP  walk
jump:
	MOVQ 16(BX), R13
	MOVQ 0(R13), BX
	JMP  walk
failed:
	CMPQ R14, $1
	JEQ  next
	NEGQ AX
	CMPQ R14, $5
	JNE  report
	CMPQ AX, $2
	JEQ  next
	CMPQ AX, $13
	JEQ  next
	CMPQ AX, $20
	JEQ  next
	JMP  report
end:
	MOVQ $32, AX
	JMP  report
outside:
	MOVQ $18, AX
report:
	MOVQ BX, 16(R13)
	MOVQ AX, 24(R13)
	MOVQ 8(R13), BX
	JMP  walk
over:
	UNDEF
	// "rungrung"
	LONG $0x676e7572
	LONG $0x676e7572
