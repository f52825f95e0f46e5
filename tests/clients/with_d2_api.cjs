// @eyeseetea/d2-api, a typed wrapper of many apps: nested fields, filters as objects, both of its back ends.
const assert = require('node:assert/strict')
const { D2Api } = require('@eyeseetea/d2-api/2.41')

const server = process.argv[2]

async function work(backend) {
    const auth = username => ({ username, password: 'district' })
    // Its fetch back end asks the agent what it can do.
    const agent = backend === 'fetch' ? {} : undefined
    const api = name => new D2Api({ baseUrl: server, auth: auth(name), backend, agent })
    const admin = api('admin')
    const mobile = api('mobile')

    const me = await mobile.currentUser.get({ fields: { id: true, displayName: true } }).getData()
    assert.deepEqual(me, { id: 'PhzytPW3g2J', displayName: 'Mobile User' })
    assert.match((await mobile.system.info.getData()).version, /^2\.\d+/)

    const subject = `From d2-api by ${backend}`
    const sent = await admin.messageConversations
        .post({ subject, text: 'Hello.', users: [{ id: me.id }], userGroups: [], organisationUnits: [] })
        .getData()
    assert.equal(sent.status, 'OK')
    const { messageConversations: found, pager } = await mobile.models.messageConversations
        .get({
            fields: { id: true, read: true, lastSender: { displayName: true }, messages: { text: true } },
            filter: { subject: { eq: subject } },
            order: 'lastMessage:desc',
            pageSize: 10,
        })
        .getData()
        .then(data => ({ messageConversations: data.objects, pager: data.pager }))
    assert.equal(pager.total, 1)
    const [{ id, ...shown }] = found
    assert.deepEqual(shown, {
        read: false,
        lastSender: { displayName: 'John Traore' },
        messages: [{ text: 'Hello.' }],
    })

    await mobile.post(`/messageConversations/${id}`, {}, 'Thanks.').getData()
    assert.deepEqual(await mobile.post('/messageConversations/read', {}, [id]).getData(), { markedRead: [id] })
    const { messageCount } = await mobile.get(`/messageConversations/${id}`, { fields: 'messageCount' }).getData()
    assert.equal(messageCount, 2)
    assert.deepEqual(await mobile.delete(`/messageConversations/${id}/${me.id}`).getData(), { removed: [me.id] })
}

async function main() {
    console.debug = console.warn = () => {}
    await work('xhr')
    await work('fetch')
}

main().catch(error => {
    console.error(error)
    process.exit(1)
})
