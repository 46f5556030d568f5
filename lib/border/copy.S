/* The module, stripped, on pages of its own that nobody touches as long as its file is there (lib/os/module.h). */
    .section .landline_tls, "a", %progbits
    .balign 4096
    .global border_copy, border_copy_end
    .hidden border_copy, border_copy_end
border_copy:
    .incbin LANDLINE_COPY
border_copy_end:
    .byte 0
    .balign 4096
    .section .note.GNU-stack, "", %progbits
